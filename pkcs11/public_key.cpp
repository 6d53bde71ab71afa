#include "pkcs11/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/params.h>

#include <algorithm>
#include <memory>

#include "pkcs11/algorithms.h"
#include "pkcs11/object_name.h"

namespace holdfast::pkcs11 {
namespace {

using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, OpensslFree<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, OpensslFree<OSSL_PARAM_free>>;
using Certificate = std::unique_ptr<X509, OpensslFree<X509_free>>;

const char* group_of(KeyType type) {
  return type == KeyType::ec_p384 ? "secp384r1" : "prime256v1";
}

std::size_t point_bytes(KeyType type) {
  if (type == KeyType::ed25519) return 32;
  return type == KeyType::ec_p384 ? 97 : 65;  // SEC 1 §2.3.3, uncompressed
}

EvpPkey from_parameters(const char* algorithm, OSSL_PARAM* parameters) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  EVP_PKEY* key = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    ERR_clear_error();
  return EvpPkey(key);
}

EvpPkey ec_key(KeyType type, ByteView point) {
  Bytes bytes(point.begin(), point.end());
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                       const_cast<char*>(group_of(type)), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes.data(), bytes.size()),
      OSSL_PARAM_construct_end()};
  return from_parameters("EC", parameters);
}

bool is_of(KeyType type, EVP_PKEY* key) {
  if (type == KeyType::ed25519) return EVP_PKEY_is_a(key, "ED25519") == 1;
  if (modulus_bits(type) != 0)
    return EVP_PKEY_is_a(key, "RSA") == 1 &&
           EVP_PKEY_get_bits(key) == static_cast<int>(modulus_bits(type));
  std::array<char, 64> name{};
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) == 1 &&
         std::string_view(group_of(type)) == name.data();
}

CK_ULONG number_of(CK_OBJECT_CLASS object_class) {
  return object_class;
}

std::optional<Bytes> from_attributes(KeyType type, const Attributes& key) {
  if (modulus_bits(type) != 0) {
    const auto modulus = key.bytes(CKA_MODULUS), exponent = key.bytes(CKA_PUBLIC_EXPONENT);
    if (modulus && exponent) return from_modulus(type, *modulus, *exponent);
  } else if (const auto point = key.bytes(CKA_EC_POINT); point && !point->empty()) {
    return from_point(type, *point);
  }
  // PKCS #11 v3.0 §4.9, which few modules fill.
  const auto info = key.bytes(CKA_PUBLIC_KEY_INFO);
  if (!info || info->empty()) return std::nullopt;
  const unsigned char* at = info->data();
  return checked(type, EvpPkey(d2i_PUBKEY(nullptr, &at, static_cast<long>(info->size()))));
}

std::optional<Bytes> from_certificate(KeyType type, const Attributes& object) {
  const auto der = object.bytes(CKA_VALUE);
  if (!der) return std::nullopt;
  const unsigned char* at = der->data();
  const Certificate certificate(d2i_X509(nullptr, &at, static_cast<long>(der->size())));
  if (!certificate) {
    ERR_clear_error();
    return std::nullopt;
  }
  return checked(type, EvpPkey(X509_get_pubkey(certificate.get())));
}

}  // namespace

std::optional<Bytes> from_point(KeyType type, ByteView point) {
  const std::size_t size = point_bytes(type);
  // Both lengths are below 128, so that a wrapper has two bytes; three around a BIT STRING's content, which
  // some give for Ed25519.
  if (point.size() == size + 2 && point[0] == 0x04 && point[1] == size)
    point = point.subspan(2);
  else if (point.size() == size + 3 && point[0] == 0x03 && point[1] == size + 1 && point[2] == 0)
    point = point.subspan(3);
  if (point.size() != size) return std::nullopt;
  if (type == KeyType::ed25519)
    return checked(type, EvpPkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                                             point.data(), point.size())));
  if (point[0] != 0x04) return std::nullopt;
  return checked(type, ec_key(type, point));
}

std::optional<Bytes> from_modulus(KeyType type, ByteView modulus, ByteView exponent) {
  const Number n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const Number e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || BN_num_bits(e.get()) > 64 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return std::nullopt;
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  return checked(type, from_parameters("RSA", parameters.get()));
}

std::optional<Bytes> checked(KeyType type, EvpPkey key) {
  std::optional<Bytes> der;
  if (key && is_of(type, key.get())) {
    const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
    unsigned char* raw = nullptr;
    // Ed25519 has no check: every 32 bytes are tried when a signature is verified.
    const bool good =
        context && (type == KeyType::ed25519 || EVP_PKEY_public_check(context.get()) == 1);
    const int size = good ? i2d_PUBKEY(key.get(), &raw) : 0;
    if (size > 0) der.emplace(raw, raw + size);
    OPENSSL_free(raw);
  }
  ERR_clear_error();
  return der;
}

std::optional<Bytes> public_key_of(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session,
                                   CK_OBJECT_HANDLE key, KeyType type, ByteView id) {
  const auto beside = [&](CK_OBJECT_CLASS object_class) {
    const CK_ULONG number = number_of(object_class);
    const ByteView bytes(reinterpret_cast<const std::uint8_t*>(&number), sizeof number);
    return find_objects(functions, session, {attribute(CKA_CLASS, bytes), attribute(CKA_ID, id)});
  };
  for (const CK_OBJECT_HANDLE object : beside(CKO_PUBLIC_KEY))
    if (auto der = from_attributes(type, {functions, session, object})) return der;
  if (auto der = from_attributes(type, {functions, session, key})) return der;
  for (const CK_OBJECT_HANDLE object : beside(CKO_CERTIFICATE))
    if (auto der = from_certificate(type, {functions, session, object})) return der;
  return std::nullopt;
}

}  // namespace holdfast::pkcs11
