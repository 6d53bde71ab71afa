// The parts of RFC 3986 that a signature depends on: an http(s) URL taken apart as it stands, and
// percent-encoding. Boost.URL refuses the raw spaces and UTF-8 that the published vectors hold, and
// it normalises; here nothing is changed before it was judged.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/json.h"

namespace holdfast::format {

// Views into the text it was read from.
struct Url {
  std::string_view base;  // scheme and authority, as given
  std::string_view host;  // without port; an IPv6 address keeps its brackets
  std::string_view port;  // empty if none is given
  std::string_view path;  // empty, or from its first "/"
  std::string_view query;
  bool has_query = false;  // a "?" stands there, with a query or without
  bool is_https = false;
  bool has_raw = false;  // a space or UTF-8 that should be percent-encoded stands in path or query

  std::string authority() const;  // host:port, as clients write Host: without a default port
};

// http or https, lower case; an ASCII host name, IPv4 or IPv6 address; no userinfo, no fragment.
// Path and query hold only what RFC 3986 §3.3 and §3.4 allow, raw spaces and well-formed UTF-8.
// A "+" in the query is refused: some services read a space there. So is an escape that does not
// decode to UTF-8, because no two readers agree on it. Throws through fields.fail(name, …).
Url parse_url(std::string_view text, const Fields& fields, std::string_view name);

bool is_unreserved(char c) noexcept;  // RFC 3986 §2.3
bool is_raw(char c) noexcept;         // a space, or a byte above ASCII

// Every byte but the unreserved, and "/" where asked for, as %XX in upper case.
std::string percent_encode(std::string_view text, bool keep_slash = false);
// Once; nullopt for an escape that is not % and two hex digits. "+" stays "+".
std::optional<std::string> percent_decode(std::string_view text);

std::string lower(std::string_view text);  // ASCII letters
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace holdfast::format
