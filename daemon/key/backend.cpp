#include "daemon/key/backend.h"

#include <array>
#include <utility>

namespace holdfast {
namespace {

constexpr std::array<std::pair<KeyType, std::string_view>, 6> kTypes{{
    {KeyType::ec_p256, "ec-p256"},
    {KeyType::ec_p384, "ec-p384"},
    {KeyType::rsa_2048, "rsa-2048"},
    {KeyType::rsa_3072, "rsa-3072"},
    {KeyType::hmac_sha256, "hmac-sha256"},
    {KeyType::ed25519, "ed25519"},
}};

constexpr std::array<std::pair<Algorithm, std::string_view>, 5> kAlgorithms{{
    {Algorithm::es256, "ES256"},
    {Algorithm::es384, "ES384"},
    {Algorithm::rs256, "RS256"},
    {Algorithm::ps256, "PS256"},
    {Algorithm::eddsa, "EdDSA"},
}};

constexpr std::array kEcP256{Algorithm::es256};
constexpr std::array kEcP384{Algorithm::es384};
constexpr std::array kRsa{Algorithm::rs256, Algorithm::ps256};
constexpr std::array kEd25519{Algorithm::eddsa};  // RFC 8037 §3.1

template <class Table, class Value>
std::string_view name_of(const Table& table, Value value) noexcept {
  for (const auto& [entry, name] : table)
    if (entry == value) return name;
  return "";
}

template <class Value, class Table>
std::optional<Value> value_of(const Table& table, std::string_view text) noexcept {
  for (const auto& [entry, name] : table)
    if (name == text) return entry;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(KeyType type) noexcept {
  return name_of(kTypes, type);
}
std::optional<KeyType> key_type_from(std::string_view text) noexcept {
  return value_of<KeyType>(kTypes, text);
}
std::string_view to_string(Algorithm algorithm) noexcept {
  return name_of(kAlgorithms, algorithm);
}
std::optional<Algorithm> algorithm_from(std::string_view text) noexcept {
  return value_of<Algorithm>(kAlgorithms, text);
}

std::size_t digest_bytes(Algorithm algorithm) noexcept {
  switch (algorithm) {
    case Algorithm::es256:
    case Algorithm::rs256:
    case Algorithm::ps256:
      return 32;
    case Algorithm::es384:
      return 48;
    case Algorithm::eddsa:
      return 0;
  }
  return 0;
}

std::span<const Algorithm> algorithms_of(KeyType type) noexcept {
  switch (type) {
    case KeyType::ec_p256:
      return kEcP256;
    case KeyType::ec_p384:
      return kEcP384;
    case KeyType::rsa_2048:
    case KeyType::rsa_3072:
      return kRsa;
    case KeyType::ed25519:
      return kEd25519;
    case KeyType::hmac_sha256:
      return {};
  }
  return {};
}

}  // namespace holdfast
