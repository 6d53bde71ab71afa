#include "daemon/key/pkcs8.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <string>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

using PrivateKeyInfo = std::unique_ptr<PKCS8_PRIV_KEY_INFO, OpensslFree<PKCS8_PRIV_KEY_INFO_free>>;
using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;

[[noreturn]] void refuse(std::string detail) {
  ERR_clear_error();
  throw Error(ErrorKind::invalid_request, std::move(detail));
}

bool has_group(EVP_PKEY* key, std::string_view group) {
  std::array<char, 64> name{};
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_group_name(key, name.data(), name.size(), nullptr) == 1 &&
         group == name.data();
}

bool is_rsa(EVP_PKEY* key, int bits) {
  return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) == bits;
}

bool is_of(KeyType type, EVP_PKEY* key) {
  switch (type) {
    case KeyType::ec_p256:
      return has_group(key, "prime256v1");
    case KeyType::ec_p384:
      return has_group(key, "secp384r1");
    case KeyType::rsa_2048:
      return is_rsa(key, 2048);
    case KeyType::rsa_3072:
      return is_rsa(key, 3072);
    case KeyType::hmac_sha256:
    case KeyType::ed25519:
      break;
  }
  throw Error(ErrorKind::unsupported, "a private key of type " + std::string(to_string(type)) +
                                          " can't be imported; ec-p256, ec-p384, rsa-2048 and "
                                          "rsa-3072 can");
}

bool has_the_usual_exponent(EVP_PKEY* key) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &raw) != 1) return false;
  const Number exponent(raw);
  return BN_is_word(exponent.get(), RSA_F4) == 1;
}

}  // namespace

EvpPkey private_key_of(KeyType type, const Secret& pkcs8) {
  if (pkcs8.size() > kMostPkcs8Bytes) refuse("the private key is larger than 4096 bytes");
  const unsigned char* at = pkcs8.view().data();
  const PrivateKeyInfo info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(pkcs8.size())));
  if (!info || at != pkcs8.view().data() + pkcs8.size())
    refuse("the private key is not one PKCS#8 PrivateKeyInfo in DER");
  EvpPkey key(EVP_PKCS82PKEY(info.get()));
  if (!key) refuse("the private key can't be read, or is of a kind that OpenSSL does not know");
  if (!is_of(type, key.get()))
    refuse("the private key is not of type " + std::string(to_string(type)));
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1 && !has_the_usual_exponent(key.get()))
    refuse("the RSA key's public exponent is not 65537, the only one that is taken");
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (!context || EVP_PKEY_check(context.get()) != 1)
    refuse("the private key's parts don't belong together");
  return key;
}

Bytes public_key_of(KeyType type, const Secret& pkcs8) {
  const EvpPkey key = private_key_of(type, pkcs8);
  const int size = i2d_PUBKEY(key.get(), nullptr);
  if (size <= 0) throw_openssl("i2d_PUBKEY");
  Bytes spki(static_cast<std::size_t>(size));
  unsigned char* at = spki.data();
  i2d_PUBKEY(key.get(), &at);
  return spki;
}

Secret to_pkcs8(EVP_PKEY* key) {
  const PrivateKeyInfo info(EVP_PKEY2PKCS8(key));
  const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : 0;
  if (size <= 0) throw_openssl("EVP_PKEY2PKCS8");
  Secret pkcs8(static_cast<std::size_t>(size));
  unsigned char* at = pkcs8.writable().data();
  i2d_PKCS8_PRIV_KEY_INFO(info.get(), &at);
  return pkcs8;
}

}  // namespace holdfast
