#include "pkcs11/templates.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include <memory>
#include <utility>

#include "daemon/base/error.h"
#include "pkcs11/algorithms.h"

namespace holdfast::pkcs11 {
namespace {

using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;

constexpr std::size_t kHmacBlock = 64;  // FIPS 180-4 §1, SHA-256
constexpr std::array<std::uint8_t, 3> kExponent{0x01, 0x00, 0x01};

CK_KEY_TYPE key_type_of(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
    case KeyType::ec_p384:
      return CKK_EC;
    case KeyType::rsa_2048:
    case KeyType::rsa_3072:
      return CKK_RSA;
    case KeyType::ed25519:
      return CKK_EC_EDWARDS;
    case KeyType::hmac_sha256:
      break;
  }
  return CKK_GENERIC_SECRET;
}

bool is_rsa(KeyType type) {
  return modulus_bits(type) != 0;
}

Template signer(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type, ByteView id) {
  Template made;
  made.number(CKA_CLASS, object_class)
      .number(CKA_KEY_TYPE, type)
      .flag(CKA_TOKEN, true)
      .flag(CKA_PRIVATE, true)
      .flag(CKA_SENSITIVE, true)
      .flag(CKA_EXTRACTABLE, false)
      .flag(CKA_SIGN, true)
      .flag(CKA_DECRYPT, false)
      .flag(CKA_UNWRAP, false)
      .flag(CKA_DERIVE, false)
      .bytes(CKA_ID, id)
      .bytes(CKA_LABEL, as_bytes(kLabel));
  return made;
}

// In `size` bytes; 0: as many as it has.
void put(Template& made, CK_ATTRIBUTE_TYPE type, EVP_PKEY* key, const char* parameter,
         std::size_t size = 0) {
  BIGNUM* raw = nullptr;
  const bool known = EVP_PKEY_get_bn_param(key, parameter, &raw) == 1;
  const Number number(raw);
  if (!known)
    throw Error(ErrorKind::invalid_request,
                "the private key has another form than a token takes, such as an RSA key of more "
                "than two primes");
  Secret bytes(size != 0 ? size : static_cast<std::size_t>(BN_num_bytes(number.get())));
  const int width = static_cast<int>(bytes.size());
  if (BN_bn2binpad(number.get(), bytes.writable().data(), width) != width)
    throw_openssl("BN_bn2binpad");
  made.bytes(type, bytes.view());
}

}  // namespace

Template& Template::bytes(CK_ATTRIBUTE_TYPE type, ByteView value) {
  Value& kept = values_.emplace_back(value.begin(), value.end());
  attributes_.push_back({type, kept.data(), kept.size()});
  return *this;
}

Template& Template::flag(CK_ATTRIBUTE_TYPE type, bool value) {
  const CK_BBOOL raw = value ? CK_TRUE : CK_FALSE;
  return bytes(type, {&raw, 1});
}

Template& Template::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  return bytes(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

Template public_template(KeyType type, ByteView id) {
  Template made;
  made.number(CKA_CLASS, CKO_PUBLIC_KEY)
      .number(CKA_KEY_TYPE, key_type_of(type))
      .flag(CKA_TOKEN, true)
      .bytes(CKA_ID, id)
      .bytes(CKA_LABEL, as_bytes(kLabel));
  if (is_rsa(type))
    made.number(CKA_MODULUS_BITS, modulus_bits(type)).bytes(CKA_PUBLIC_EXPONENT, kExponent);
  else
    made.bytes(CKA_EC_PARAMS, curve_of(type));
  return made;
}

Template private_template(KeyType type, ByteView id) {
  return signer(CKO_PRIVATE_KEY, key_type_of(type), id);
}

Template secret_template(const Secret& key, CK_KEY_TYPE type, ByteView id) {
  Secret block(kHmacBlock);
  if (key.size() <= kHmacBlock) {
    std::copy(key.view().begin(), key.view().end(), block.writable().begin());
  } else {
    Sha256 hashed = sha256(key.view());
    std::copy(hashed.begin(), hashed.end(), block.writable().begin());
    cleanse(hashed.data(), hashed.size());
  }
  Template made = signer(CKO_SECRET_KEY, type, id);
  made.flag(CKA_ENCRYPT, false).flag(CKA_WRAP, false).bytes(CKA_VALUE, block.view());
  return made;
}

Template imported_template(KeyType type, EVP_PKEY* key, ByteView id) {
  Template made = signer(CKO_PRIVATE_KEY, key_type_of(type), id);
  if (!is_rsa(type)) {
    made.bytes(CKA_EC_PARAMS, curve_of(type));
    put(made, CKA_VALUE, key, OSSL_PKEY_PARAM_PRIV_KEY,
        static_cast<std::size_t>(EVP_PKEY_get_bits(key) + 7) / 8);
    return made;
  }
  put(made, CKA_MODULUS, key, OSSL_PKEY_PARAM_RSA_N);
  put(made, CKA_PUBLIC_EXPONENT, key, OSSL_PKEY_PARAM_RSA_E);
  put(made, CKA_PRIVATE_EXPONENT, key, OSSL_PKEY_PARAM_RSA_D);
  put(made, CKA_PRIME_1, key, OSSL_PKEY_PARAM_RSA_FACTOR1);
  put(made, CKA_PRIME_2, key, OSSL_PKEY_PARAM_RSA_FACTOR2);
  put(made, CKA_EXPONENT_1, key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
  put(made, CKA_EXPONENT_2, key, OSSL_PKEY_PARAM_RSA_EXPONENT2);
  put(made, CKA_COEFFICIENT, key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  return made;
}

}  // namespace holdfast::pkcs11
