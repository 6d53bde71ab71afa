#include "daemon/format/sigv4_query.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr std::array<std::string_view, 8> kSigning = {
    "x-amz-algorithm", "x-amz-credential",    "x-amz-date",           "x-amz-expires",
    "x-amz-signature", "x-amz-signedheaders", "x-amz-security-token", "x-amz-region-set"};

// A reader may trim what it reads.
std::string_view trimmed(std::string_view name) {
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; };
  while (!name.empty() && blank(name.front())) name.remove_prefix(1);
  while (!name.empty() && blank(name.back())) name.remove_suffix(1);
  return name;
}

}  // namespace

std::vector<Parameter> parse_query(std::string_view wire, const Fields& fields,
                                   std::string_view field) {
  std::vector<Parameter> parameters;
  if (wire.empty()) return parameters;
  for (std::size_t start = 0; start <= wire.size();) {
    const std::size_t end = std::min(wire.find('&', start), wire.size());
    const std::string_view pair = wire.substr(start, end - start);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    Parameter parameter{*percent_decode(pair.substr(0, equals)), {}};
    if (equals < pair.size()) parameter.value = *percent_decode(pair.substr(equals + 1));
    if (parameter.name.empty())
      fields.fail(field, "the query holds a parameter without a name: remove the extra & or =");
    const std::string name = lower(trimmed(parameter.name));
    if (std::ranges::find(kSigning, name) != kSigning.end())
      fields.fail(field, "the query holds " + name + ", which only a signature itself may bring");
    // A name in UTF-8 is whole in itself, or two readers would see two names.
    if (!is_utf8(parameter.name) || !is_utf8(parameter.value))
      fields.fail(field, "the query does not decode to UTF-8");
    parameters.push_back(std::move(parameter));
    start = end + 1;
  }
  return parameters;
}

std::string canonical_query(const std::vector<Parameter>& parameters) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(parameters.size());
  for (const Parameter& parameter : parameters)
    encoded.emplace_back(percent_encode(parameter.name), percent_encode(parameter.value));
  std::ranges::sort(encoded);
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text.push_back('&');
    text.append(name).append("=").append(value);
  }
  return text;
}

}  // namespace holdfast::format
