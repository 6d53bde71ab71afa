#include "daemon/format/uri.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxHost = 253;  // RFC 1035 §2.3.4, without the root's dot

constexpr bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// Non-empty labels of letters, digits, "-" and "_" (old bucket names have it) with dots between.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  char previous = '.';
  for (const char c : host) {
    if (c == '.' ? previous == '.' : !(is_alnum(c) || c == '-' || c == '_')) return false;
    previous = c;
  }
  return previous != '.';
}

bool is_ipv6(std::string_view bracketed) {
  if (bracketed.size() < 4 || bracketed.back() != ']') return false;
  in6_addr address;
  return inet_pton(AF_INET6, std::string(bracketed.substr(1, bracketed.size() - 2)).c_str(),
                   &address) == 1;
}

bool is_port(std::string_view port) {
  if (port.empty() || port.size() > 5 || port.front() == '0') return false;
  int value = 0;
  for (const char c : port) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value <= 65535;
}

// Throws for what may not stand there; says whether something raw does.
bool check_text(std::string_view text, std::string_view allowed, const Fields& fields,
                std::string_view name, std::string_view part) {
  bool has_raw = false;
  for (const char c : text) {
    if (is_raw(c))
      has_raw = true;
    else if (!is_unreserved(c) && c != '%' && allowed.find(c) == std::string_view::npos)
      fields.fail(name, std::string("the ") + std::string(part) +
                            " holds a character that has to be percent-encoded" +
                            (c == '+' ? ": write %2B for a plus sign, %20 for a space" : ""));
  }
  const auto decoded = percent_decode(text);
  if (!decoded)
    fields.fail(name, std::string("a % in the ") + std::string(part) +
                          " is not followed by two hex digits; write %25 for the sign itself");
  if (!is_utf8(*decoded))
    fields.fail(name, std::string("the ") + std::string(part) + " does not decode to UTF-8");
  return has_raw;
}

}  // namespace

bool is_unreserved(char c) noexcept {
  return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

bool is_raw(char c) noexcept {
  return c == ' ' || static_cast<unsigned char>(c) >= 0x80;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size() + text.size() / 2);
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      encoded.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded.push_back('%');
      encoded.push_back(digits[byte >> 4]);
      encoded.push_back(digits[byte & 15]);
    }
  }
  return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return decoded;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), to_lower);
  return result;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

std::string Url::authority() const {
  std::string text(host);
  if (!port.empty() && port != (is_https ? "443" : "80")) text.append(":").append(port);
  return text;
}

Url parse_url(std::string_view text, const Fields& fields, std::string_view name) {
  Url url;
  url.is_https = text.starts_with("https://");
  if (!url.is_https && !text.starts_with("http://"))
    fields.fail(name, "has to begin with https:// or http://");
  if (text.find('#') != std::string_view::npos)
    fields.fail(name, "holds a fragment (#…), which is never sent; write %23 for the sign itself");

  const std::size_t start = text.find("//") + 2;
  const std::size_t end = std::min(text.find_first_of("/?", start), text.size());
  const std::string_view authority = text.substr(start, end - start);
  url.base = text.substr(0, end);
  if (authority.find('@') != std::string_view::npos)
    fields.fail(name, "holds a user name or password (…@): leave it out");
  const std::size_t bracket = authority.find(']');
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.host = authority.substr(0, colon);
  if (!is_host_name(url.host) && !(url.host.starts_with('[') && is_ipv6(url.host)))
    fields.fail(name, "the host has to be an ASCII name or an address, without a dot at its end");
  if (colon != std::string_view::npos) {
    url.port = authority.substr(colon + 1);
    if (!is_port(url.port)) fields.fail(name, "the port has to be a number from 1 to 65535");
  }

  const std::size_t question = text.find('?', end);
  url.path = text.substr(end, question == std::string_view::npos ? question : question - end);
  if (question != std::string_view::npos) {
    url.has_query = true;
    url.query = text.substr(question + 1);
  }
  url.has_raw = check_text(url.path, "!$&'()*+,;=:@/", fields, name, "path");
  url.has_raw |= check_text(url.query, "!$&'()*,;=:@/?", fields, name, "query");
  return url;
}

}  // namespace holdfast::format
