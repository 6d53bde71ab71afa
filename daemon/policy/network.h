// A range of addresses, 10.0.0.0/8 or fd00::/8, for hosts that are addresses.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/policy/truth.h"

namespace holdfast::policy {

// Of a host as it stands in a Host header.
std::string_view without_port(std::string_view host);

class Network {
 public:
  // Throws Error{invalid_request} that says what is wrong: an address in its usual spelling, a slash,
  // and as many bits as all that is set in the address.
  explicit Network(std::string_view text);

  // A host as it stands in a Host header, with or without a port. A name is in no range: `no`. An
  // address in an unusual spelling (010.1, 0x7f.1, 2130706433), which some clients read as one and
  // some as another, is `unknown`. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is that
  // IPv4 address.
  Truth contains(std::string_view host) const;

  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::array<unsigned char, 16> address_{};  // IPv4 mapped into IPv6
  unsigned bits_ = 0;                        // of those
};

}  // namespace holdfast::policy
