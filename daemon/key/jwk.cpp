#include "daemon/key/jwk.h"

#include <openssl/core_names.h>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast {
namespace {

constexpr std::size_t kP256Coordinate = 32;

struct Coordinates {
  std::string x, y;  // base64url
};

Coordinates p256_coordinates(ByteView public_key) {
  const EvpPkey key = public_key_from_spki(public_key);
  std::array<char, 32> group{};
  Bytes point(133);  // the largest uncompressed point of a NIST curve
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) != 1 ||
      std::string_view(group.data()) != "prime256v1")
    throw Error(ErrorKind::unsupported, "only EC P-256 keys have a JWK form here");
  if (EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point.data(),
                                      point.size(), &size) != 1 ||
      size != 1 + 2 * kP256Coordinate || point[0] != 4)  // SEC 1 §2.3.3, uncompressed
    throw_openssl("encoded public key");
  const ByteView whole(point);
  return {to_base64url(whole.subspan(1, kP256Coordinate)),
          to_base64url(whole.subspan(1 + kP256Coordinate, kP256Coordinate))};
}

}  // namespace

json::object to_jwk(ByteView public_key) {
  const Coordinates at = p256_coordinates(public_key);
  return {{"kty", "EC"}, {"crv", "P-256"}, {"x", at.x}, {"y", at.y}};
}

std::string jwk_thumbprint(ByteView public_key) {
  const Coordinates at = p256_coordinates(public_key);
  const std::string members =
      R"({"crv":"P-256","kty":"EC","x":")" + at.x + R"(","y":")" + at.y + "\"}";
  return to_base64url(sha256(members));
}

}  // namespace holdfast
