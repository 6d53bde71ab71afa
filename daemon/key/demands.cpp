#include "daemon/key/demands.h"

#include <algorithm>
#include <string>
#include <utility>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kLongestSecret = 128;
constexpr std::size_t kMostLinks = 8;
constexpr std::size_t kLongestMessage = 1024;  // also TPM2_MAX_DIGEST_BUFFER

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorKind::invalid_request, std::move(detail));
}

}  // namespace

void demand_type(const DeviceDescription& device, KeyType type) {
  if (std::ranges::find(device.types, type) == device.types.end())
    throw Error(ErrorKind::unsupported,
                "this device can't hold a key of type " + std::string(to_string(type)));
}

void demand_algorithm(const DeviceDescription& device, Algorithm algorithm) {
  if (std::ranges::find(device.algorithms, algorithm) == device.algorithms.end())
    throw Error(ErrorKind::unsupported,
                "this device does not sign with " + std::string(to_string(algorithm)));
}

void demand_makable(const DeviceDescription& device, KeyType type) {
  if (type == KeyType::hmac_sha256)
    throw Error(ErrorKind::unsupported,
                "an hmac-sha256 key can only be imported: nobody could share a made one");
  demand_type(device, type);
}

void demand_size(Algorithm algorithm, ByteView digest) {
  if (algorithm == Algorithm::eddsa) {
    if (digest.size() > kMostEddsaMessageBytes)
      refuse("a message for EdDSA has at most " + std::to_string(kMostEddsaMessageBytes) +
             " bytes");
  } else if (digest.size() != digest_bytes(algorithm)) {
    refuse("the digest for " + std::string(to_string(algorithm)) + " has " +
           std::to_string(digest_bytes(algorithm)) + " bytes");
  }
}

void demand_sizes(const std::vector<Bytes>& chain) {
  if (chain.empty() || chain.size() > kMostLinks) refuse("a chain has 1 to 8 messages");
  for (const Bytes& message : chain)
    if (message.size() > kLongestMessage) refuse("a message of a chain has at most 1024 bytes");
}

void demand_size(const Secret& secret) {
  if (secret.empty() || secret.size() > kLongestSecret) refuse("a secret has 1 to 128 bytes");
}

void demand_signs(KeyType type, Algorithm algorithm) {
  const auto signs = algorithms_of(type);
  if (std::ranges::find(signs, algorithm) == signs.end())
    refuse("a key of type " + std::string(to_string(type)) + " does not sign with " +
           std::string(to_string(algorithm)));
}

void demand_makes_macs(KeyType type) {
  if (type != KeyType::hmac_sha256)
    refuse("a key of type " + std::string(to_string(type)) +
           " makes no message authentication code");
}

}  // namespace holdfast
