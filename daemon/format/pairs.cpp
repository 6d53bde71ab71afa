#include "daemon/format/pairs.h"

#include <string>

namespace holdfast::format {
namespace {

constexpr std::string_view kForm = R"(has to be a list of ["Name","value"])";

std::string_view part(const json::value& entry, std::string_view what, std::size_t max,
                      const Fields& fields, std::string_view field) {
  if (!entry.is_string()) fields.fail(field, kForm);
  const json::string& text = entry.get_string();
  if (text.size() > max)
    fields.fail(field, std::string(what) + " is longer than " + std::to_string(max) + " bytes");
  return {text.data(), text.size()};
}

}  // namespace

std::vector<Pair> read_pairs(Fields& fields, std::string_view field, PairBounds bounds) {
  std::vector<Pair> pairs;
  const json::value* list = fields.optional_value(field);
  if (list == nullptr) return pairs;
  if (!list->is_array()) fields.fail(field, kForm);
  if (list->get_array().size() > bounds.count)
    fields.fail(field, "has more than " + std::to_string(bounds.count) + " entries");
  for (const json::value& entry : list->get_array()) {
    if (!entry.is_array() || entry.get_array().size() != 2) fields.fail(field, kForm);
    const json::array& two = entry.get_array();
    pairs.push_back({part(two[0], "a name", bounds.name, fields, field),
                     part(two[1], "a value", bounds.value, fields, field)});
  }
  return pairs;
}

}  // namespace holdfast::format
