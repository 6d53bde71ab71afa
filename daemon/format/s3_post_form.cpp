#include "daemon/format/s3_post_form.h"

#include <algorithm>
#include <array>

#include "daemon/base/bytes.h"
#include "daemon/base/code_point.h"
#include "daemon/format/pairs.h"
#include "daemon/format/sigv4_scope.h"
#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr PairBounds kBounds{50, 128, 4096};

// The last two are Signature Version 2's.
constexpr std::array<std::string_view, 12> kReserved = {"bucket",
                                                        "content-length-range",
                                                        "file",
                                                        "key",
                                                        "policy",
                                                        "x-amz-algorithm",
                                                        "x-amz-credential",
                                                        "x-amz-date",
                                                        "x-amz-security-token",
                                                        "x-amz-signature",
                                                        "awsaccesskeyid",
                                                        "signature"};

// "REST-specific headers" of the POST policy's page.
constexpr std::array<std::string_view, 5> kHeaders = {
    "cache-control", "content-disposition", "content-encoding", "content-type", "expires"};

bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

// By which two spellings are one field.
std::string plain_name(std::string_view name) {
  std::string plain = lower(name);
  return plain == "acl" ? "x-amz-acl" : plain;
}

bool is_header(std::string_view plain) {
  return plain.starts_with("x-amz-") || std::ranges::find(kHeaders, plain) != kHeaders.end();
}

// A UTF-16 code unit.
std::string escape(std::uint32_t unit) {
  const Bytes bytes{static_cast<std::uint8_t>(unit >> 8), static_cast<std::uint8_t>(unit)};
  return "\\u" + to_hex(bytes);
}

std::vector<FormField> read_list(Fields& fields, std::string_view list,
                                 std::vector<std::string>& seen) {
  std::vector<FormField> read;
  for (const auto& [name, value] : read_pairs(fields, list, kBounds)) {
    if (!is_name(name)) fields.fail(list, "a name has to be of letters, digits, -, _ and .");
    const std::string plain = plain_name(name);
    if (std::ranges::find(kReserved, plain) != kReserved.end())
      fields.fail(list, plain + " is not the caller's to write: leave it out");
    if (std::ranges::find(seen, plain) != seen.end()) fields.fail(list, plain + " is given twice");
    if (holds_control(value)) fields.fail(list, plain + " has a control character in its value");
    if (holds_filename(value))
      fields.fail(list, plain + " has ${filename} in its value, which S3 would replace");
    seen.push_back(plain);
    read.push_back({std::string(name), std::string(value)});
  }
  return read;
}

}  // namespace

FormConditions read_conditions(Fields& fields) {
  std::vector<std::string> seen;
  FormConditions conditions;
  conditions.exact = read_list(fields, "fields", seen);
  conditions.starts_with = read_list(fields, "starts_with", seen);
  return conditions;
}

void add_facts(const FormConditions& conditions, Facts& facts) {
  for (const auto& [name, value] : conditions.exact) {
    const std::string plain = plain_name(name);
    facts.add((is_header(plain) ? "header." : "field.") + plain, shown_value(plain, value));
  }
  for (const auto& [name, prefix] : conditions.starts_with) {
    const std::string plain = plain_name(name);
    facts.add("starts_with." + plain, shown_value(plain, prefix));
  }
}

bool holds_filename(std::string_view text) {
  return lower(text).find(kFilename) != std::string::npos;
}

bool holds_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
}

std::string exact_condition(std::string_view name, std::string_view value) {
  return "{" + policy_text(name) + ":" + policy_text(value) + "}";
}

std::string starts_with_condition(std::string_view name, std::string_view prefix) {
  return "[\"starts-with\",\"$" + std::string(name) + "\"," + policy_text(prefix) + "]";
}

std::string policy_text(std::string_view text) {
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const std::uint32_t point = next_code_point(text, i);
    if (point == '"' || point == '\\')
      quoted.append({'\\', static_cast<char>(point)});
    else if (point >= 0x20 && point < 0x7F && point != '$')
      quoted.push_back(static_cast<char>(point));
    else if (point <= 0xFFFF)
      quoted += escape(point);
    else  // RFC 8259 §7: a UTF-16 surrogate pair
      quoted +=
          escape(0xD800 + ((point - 0x10000) >> 10)) + escape(0xDC00 + ((point - 0x10000) & 0x3FF));
  }
  return quoted + "\"";
}

}  // namespace holdfast::format
