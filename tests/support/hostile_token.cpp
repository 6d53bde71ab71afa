#include "tests/support/hostile_token.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <algorithm>
#include <array>

namespace hostile {
namespace {

// The private number 1: nobody takes it for a key that protects something.
std::shared_ptr<EVP_PKEY> well_known_pair() {
  // SEC 1 §2.3.3: the base point of P-256 (SEC 2 §2.4.2).
  Bytes point = *holdfast::from_hex(
      "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
  std::uint8_t one = 1;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>("P-256"), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, &one, 1), OSSL_PARAM_construct_end()};
  const holdfast::EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters) != 1)
    holdfast::throw_openssl("EVP_PKEY_fromdata");
  return {key, EVP_PKEY_free};
}

Bytes bytes_of(CK_ULONG number) {
  const auto* const raw = reinterpret_cast<const std::uint8_t*>(&number);
  return {raw, raw + sizeof number};
}

Object from_template(const std::vector<CK_ATTRIBUTE>& given) {
  Object object;
  for (const CK_ATTRIBUTE& attribute : given) {
    const auto* const raw = static_cast<const std::uint8_t*>(attribute.pValue);
    object.attributes[attribute.type] = Bytes(raw, raw + attribute.ulValueLen);
  }
  return object;
}

Bytes wrapped_point(EVP_PKEY* pair) {
  Bytes wrapped(2 + 65);
  std::size_t size = 0;
  EVP_PKEY_get_octet_string_param(pair, OSSL_PKEY_PARAM_PUB_KEY, wrapped.data() + 2, 65, &size);
  wrapped[0] = 0x04;
  wrapped[1] = static_cast<std::uint8_t>(size);
  return wrapped;
}

void fill_well_known(Object& key, CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  key.attributes[CKA_CLASS] = bytes_of(object_class);
  key.attributes[CKA_KEY_TYPE] = bytes_of(type);
  key.attributes[CKA_ID] = Bytes{'w', 'k'};
  const std::string label = "well-known";
  key.attributes[CKA_LABEL] = Bytes(label.begin(), label.end());
  for (const CK_ATTRIBUTE_TYPE on : {CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN})
    key.attributes[on] = Bytes{CK_TRUE};
  key.attributes[CKA_EXTRACTABLE] = Bytes{CK_FALSE};
}

}  // namespace

bool Object::has(const CK_ATTRIBUTE& wanted) const {
  const auto found = attributes.find(wanted.type);
  const auto* const raw = static_cast<const std::uint8_t*>(wanted.pValue);
  return found != attributes.end() && found->second == Bytes(raw, raw + wanted.ulValueLen);
}

Token::Token() {
  const std::array<std::uint8_t, 10> p256{0x06, 0x08, 0x2A, 0x86, 0x48,
                                          0xCE, 0x3D, 0x03, 0x01, 0x07};
  Object pair;
  fill_well_known(pair, CKO_PRIVATE_KEY, CKK_EC);
  pair.pair = well_known_pair();
  pair.attributes[CKA_EC_PARAMS] = Bytes(p256.begin(), p256.end());
  pair.attributes[CKA_EC_POINT] = wrapped_point(pair.pair.get());
  add(std::move(pair));
  Object secret;
  fill_well_known(secret, CKO_SECRET_KEY, CKK_GENERIC_SECRET);
  secret.secret = Bytes(64, 1);
  add(std::move(secret));
}

CK_OBJECT_HANDLE Token::add(Object object) {
  objects[next] = std::make_shared<Object>(std::move(object));
  return next++;
}

CK_OBJECT_HANDLE Token::add_pair(std::shared_ptr<EVP_PKEY> pair,
                                 const std::vector<CK_ATTRIBUTE>& of_public,
                                 const std::vector<CK_ATTRIBUTE>& of_private,
                                 CK_OBJECT_HANDLE* public_handle) {
  Object one = from_template(of_public), two = from_template(of_private);
  one.attributes[CKA_EC_POINT] = wrapped_point(pair.get());
  two.attributes[CKA_EC_PARAMS] = one.attributes[CKA_EC_PARAMS];
  two.pair = std::move(pair);
  *public_handle = add(std::move(one));
  return add(std::move(two));
}

Token& token() {
  static auto& one = *new Token;
  return one;
}

Bytes signature_of(const Object& key, ByteView data) {
  if (key.pair == nullptr) {
    const holdfast::Secret mac = holdfast::hmac_sha256(key.secret, data);
    return {mac.view().begin(), mac.view().end()};
  }
  const holdfast::EvpPkeyCtx context(EVP_PKEY_CTX_new(key.pair.get(), nullptr));
  Bytes der(128);
  std::size_t size = der.size();
  if (EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), der.data(), &size, data.data(), data.size()) != 1)
    holdfast::throw_openssl("EVP_PKEY_sign");
  der.resize(size);
  return holdfast::ecdsa_der_to_raw(der, 32);
}

}  // namespace hostile
