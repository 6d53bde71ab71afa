#include "daemon/format/sigv4_headers.h"

#include <algorithm>
#include <array>

#include "daemon/format/pairs.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxHeaders = 100;
constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxValue = 8192;

constexpr std::array<std::string_view, 4> kReserved = {"authorization", "x-amz-date",
                                                       "x-amz-security-token", "x-amz-region-set"};
constexpr std::array<std::string_view, 3> kSecret = {
    "x-amz-copy-source-server-side-encryption-customer-key", "x-amz-s3session-token",
    "x-amz-server-side-encryption-customer-key"};

bool is_token(std::string_view name) {
  static constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           marks.find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view value) {
  return std::ranges::none_of(value, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == '\x7f';
  });
}

std::string folded(std::string_view value) {
  std::string result;
  result.reserve(value.size());
  bool blank = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      blank = true;
      continue;
    }
    if (blank && !result.empty()) result.push_back(' ');
    blank = false;
    result.push_back(c);
  }
  return result;
}

std::string signed_host(const std::vector<Header>& headers, const Url& url, const Fields& fields) {
  const Header* given = nullptr;
  for (const Header& header : headers) {
    if (header.name != "host") continue;
    if (given != nullptr) fields.fail("headers", "Host is given twice");
    given = &header;
  }
  const std::string plain = url.authority();
  if (given == nullptr) return plain;
  const std::string with_port =
      std::string(url.host) +
      (url.port.empty() ? (url.is_https ? ":443" : ":80") : ":" + std::string(url.port));
  if (!equal_ignoring_case(given->value, plain) && !equal_ignoring_case(given->value, with_port))
    fields.fail("headers", "Host is not the url's host");
  return given->value;
}

}  // namespace

std::vector<Header> listed_headers(Fields& fields, std::string_view field) {
  std::vector<Header> headers;
  for (const auto& [name, value] : read_pairs(fields, field, {kMaxHeaders, kMaxName, kMaxValue})) {
    if (!is_token(name))
      fields.fail(field, "a name is not a token (letters, digits and !#$%&'*+-.^_`|~)");
    Header header{lower(name), {}};
    if (!is_value(value)) fields.fail(field, header.name + " has a control character in its value");
    header.value = folded(value);
    if (std::ranges::find(kReserved, header.name) != kReserved.end())
      fields.fail(field, header.name + " comes with the signature: leave it out" +
                             (header.name == "x-amz-date"             ? " and use `time`"
                              : header.name == "x-amz-security-token" ? " and use `session_token`"
                              : header.name == "x-amz-region-set"     ? " and use `region_set`"
                                                                      : ""));
    headers.push_back(std::move(header));
  }
  return headers;
}

std::vector<Header> read_headers(Fields& fields, const Url& url) {
  std::vector<Header> listed = listed_headers(fields, "headers");
  std::vector<std::string> wanted = fields.text_list("sign_headers", kMaxHeaders, kMaxName);
  for (std::string& name : wanted) {
    name = lower(name);
    if (name != "host" && std::ranges::find(listed, name, &Header::name) == listed.end())
      fields.fail("sign_headers", "names a header that `headers` does not hold");
  }
  std::vector<Header> result{{"host", signed_host(listed, url, fields)}};
  for (Header& header : listed) {
    if (header.name == "host") continue;
    if (header.name == "content-type" || header.name == "range" ||
        header.name.starts_with("x-amz-") || std::ranges::find(wanted, header.name) != wanted.end())
      result.push_back(std::move(header));
  }
  return result;
}

std::vector<Header> canonical_headers(std::vector<Header> headers) {
  std::ranges::stable_sort(headers, {}, &Header::name);
  std::vector<Header> result;
  result.reserve(headers.size());
  for (Header& header : headers) {
    if (!result.empty() && result.back().name == header.name)
      result.back().value.append(",").append(header.value);
    else
      result.push_back(std::move(header));
  }
  return result;
}

bool is_secret_header(std::string_view name) noexcept {
  return std::ranges::find(kSecret, name) != kSecret.end();
}

}  // namespace holdfast::format
