#include "daemon/format/jwt_claims.h"

#include <algorithm>

namespace holdfast::format {
namespace {

constexpr std::size_t kMostClaims = 64;
constexpr std::size_t kMostNameBytes = 128;
constexpr std::size_t kMostBytes = 16 * 1024;
constexpr int kMostLevels = 16;

int levels(const json::value& value) {
  int deepest = 0;
  if (const auto* object = value.if_object())
    for (const auto& [name, member] : *object) deepest = std::max(deepest, levels(member));
  else if (const auto* array = value.if_array())
    for (const json::value& element : *array) deepest = std::max(deepest, levels(element));
  else
    return 0;
  return deepest + 1;
}

std::string fact_of(const json::value& value) {
  return value.is_string() ? fact_of_text(value.get_string()) : json::serialize(value);
}

void add_facts(std::string_view name, const json::value& value, Facts& facts) {
  const std::string fact = "claim." + std::string(name);
  const auto* array = value.if_array();
  // Without a fact an empty list would pass where no grant names the claim.
  if (array == nullptr || array->empty()) return facts.add(fact, fact_of(value));
  for (const json::value& element : *array) facts.add(fact, fact_of(element));
}

}  // namespace

json::object read_claims(Fields& fields, Facts& facts) {
  const json::value* given = fields.optional_value("claims");
  if (given == nullptr) return {};
  if (!given->is_object()) fields.fail("claims", "has to be an object");
  const json::object& claims = given->get_object();
  if (claims.size() > kMostClaims) fields.fail("claims", "has more than 64 claims");
  if (levels(*given) > kMostLevels) fields.fail("claims", "is nested more than 16 deep");
  if (json::serialize(claims).size() > kMostBytes) fields.fail("claims", "is larger than 16 KiB");
  for (const auto& [name, value] : claims) {
    if (name.empty() || name.size() > kMostNameBytes)
      fields.fail("claims", "has a name that is empty or longer than 128 bytes");
    if (is_registered_claim(name))
      fields.fail("claims", "holds " + std::string(name) +
                                ", which is set by the daemon or has a field of its own");
    add_facts(name, value, facts);
  }
  return claims;
}

}  // namespace holdfast::format
