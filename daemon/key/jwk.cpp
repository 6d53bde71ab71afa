#include "daemon/key/jwk.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast {
namespace {

using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;

struct Curve {
  std::string_view openssl, jose;
  std::size_t coordinate_bytes;
};
constexpr Curve kCurves[]{{"prime256v1", "P-256", 32}, {"secp384r1", "P-384", 48}};

// RFC 7518 §6.2.1: coordinates keep their leading zeros.
json::object ec_jwk(EVP_PKEY* key) {
  std::array<char, 32> group{};
  Bytes point(133);  // the largest uncompressed point of a NIST curve
  std::size_t size = 0;
  EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr);
  const auto* const curve =
      std::ranges::find(kCurves, std::string_view(group.data()), &Curve::openssl);
  if (curve == std::end(kCurves))
    throw Error(ErrorKind::unsupported, "of EC keys only P-256 and P-384 have a JWK form here");
  const std::size_t n = curve->coordinate_bytes;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point.data(),
                                      point.size(), &size) != 1 ||
      size != 1 + 2 * n || point[0] != 4)  // SEC 1 §2.3.3, uncompressed
    throw_openssl("encoded public key");
  const ByteView whole(point);
  return {{"crv", curve->jose},
          {"kty", "EC"},
          {"x", to_base64url(whole.subspan(1, n))},
          {"y", to_base64url(whole.subspan(1 + n, n))}};
}

// RFC 7518 §6.3.1: numbers without leading zeros.
std::string rsa_number(EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) throw_openssl(name);
  const Number number(raw);
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(raw)));
  BN_bn2bin(raw, bytes.data());
  return to_base64url(bytes);
}

// RFC 8037 §2: an octet key pair, whose one member is the public key as RFC 8032 §5.1.5 encodes it.
json::object ed25519_jwk(EVP_PKEY* key) {
  Bytes x(32);
  std::size_t size = x.size();
  if (EVP_PKEY_get_raw_public_key(key, x.data(), &size) != 1 || size != x.size())
    throw_openssl("raw public key");
  return {{"crv", "Ed25519"}, {"kty", "OKP"}, {"x", to_base64url(x)}};
}

}  // namespace

json::object to_jwk(ByteView public_key) {
  const EvpPkey key = public_key_from_spki(public_key);
  if (EVP_PKEY_is_a(key.get(), "EC") == 1) return ec_jwk(key.get());
  if (EVP_PKEY_is_a(key.get(), "ED25519") == 1) return ed25519_jwk(key.get());
  if (EVP_PKEY_is_a(key.get(), "RSA") != 1)
    throw Error(ErrorKind::unsupported, "only EC, RSA and Ed25519 keys have a JWK form here");
  return {{"e", rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_E)},
          {"kty", "RSA"},
          {"n", rsa_number(key.get(), OSSL_PKEY_PARAM_RSA_N)}};
}

// RFC 7638 §3: no white space, members in lexicographic order, which is the order they are in.
std::string jwk_thumbprint(ByteView public_key) {
  return to_base64url(sha256(json::serialize(to_jwk(public_key))));
}

}  // namespace holdfast
