#include "daemon/policy/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "daemon/base/error.h"

namespace holdfast::policy {
namespace {

using Address = std::array<unsigned char, 16>;
constexpr unsigned kMappedBits = 96;
constexpr Address kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

// The usual spelling: inet_pton(3) takes dotted decimal without leading zeros, and RFC 4291 §2.2.
std::optional<Address> address_of(std::string_view text) {
  const std::string copy(text);
  Address address = kMapped;
  if (copy.size() != std::strlen(copy.c_str())) return std::nullopt;
  if (::inet_pton(AF_INET, copy.c_str(), address.data() + kMappedBits / 8) == 1 ||
      ::inet_pton(AF_INET6, copy.c_str(), address.data()) == 1)
    return address;
  return std::nullopt;
}

bool same_bits(const Address& one, const Address& other, unsigned bits) {
  for (unsigned i = 0; i < bits; ++i) {
    const auto mask = static_cast<unsigned char>(0x80U >> (i % 8));
    if (((one.at(i / 8) ^ other.at(i / 8)) & mask) != 0) return false;
  }
  return true;
}

// https://url.spec.whatwg.org/#ends-in-a-number-checker, and what only an address has.
bool looks_like_an_address(std::string_view host) {
  if (host.find_first_of("[]:%") != std::string_view::npos) return true;
  while (host.ends_with('.')) host.remove_suffix(1);
  const std::string_view last = host.substr(host.rfind('.') + 1);
  const auto all_of = [](std::string_view digits, std::string_view known) {
    return digits.find_first_not_of(known) == std::string_view::npos;
  };
  if (last.empty()) return false;
  return all_of(last, "0123456789") || ((last.starts_with("0x") || last.starts_with("0X")) &&
                                        all_of(last.substr(2), "0123456789abcdefABCDEF"));
}

}  // namespace

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return end == std::string_view::npos ? host : host.substr(0, end + 1);
  }
  const std::size_t colon = host.find(':');
  // Several colons: an address without its brackets, which no Host header has.
  return host.find(':', std::min(colon, host.size() - 1) + 1) == std::string_view::npos
             ? host.substr(0, colon)
             : host;
}

Network::Network(std::string_view text) : text_(text) {
  const auto refuse = [](const char* complaint) {
    throw Error(ErrorKind::invalid_request, complaint);
  };
  const std::size_t slash = std::min(text.find('/'), text.size());
  const auto address = address_of(text.substr(0, slash));
  if (!address || slash == text.size())
    refuse("has to be a range of addresses, such as \"10.0.0.0/8\" or \"fd00::/8\"");
  address_ = *address;
  const bool is_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
  if (!is_v4 && same_bits(address_, kMapped, kMappedBits))
    refuse("is a range of mapped addresses: write it as IPv4, such as \"10.0.0.0/8\"");
  const unsigned most = is_v4 ? 32 : 128;
  const char* end = text.data() + text.size();
  const auto [at, code] = std::from_chars(text.data() + slash + 1, end, bits_);
  if (code != std::errc() || at != end || bits_ > most)
    refuse("has to have 0 to 32 bits behind the slash, of IPv6 0 to 128");
  if (is_v4) bits_ += kMappedBits;
  for (unsigned i = bits_; i < 128; ++i)
    if ((address_.at(i / 8) & (0x80U >> (i % 8))) != 0)
      refuse("has bits set behind its prefix: shorten the address or lengthen the prefix");
}

Truth Network::contains(std::string_view host) const {
  host = without_port(host);
  const bool bracketed = host.size() > 2 && host.starts_with('[') && host.ends_with(']');
  const std::string_view bare = bracketed ? host.substr(1, host.size() - 2) : host;
  const bool has_colon = bare.find(':') != std::string_view::npos;
  const auto address = bracketed == has_colon ? address_of(bare) : std::nullopt;
  if (!address) return looks_like_an_address(host) ? Truth::unknown : Truth::no;
  // A range of IPv6 does not hold what is IPv4 in truth.
  if (bits_ < kMappedBits && same_bits(*address, kMapped, kMappedBits)) return Truth::no;
  return truth(same_bits(*address, address_, bits_));
}

}  // namespace holdfast::policy
