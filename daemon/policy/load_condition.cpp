#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/policy/load_parts.h"

namespace holdfast::policy {

using config::Table;

// Not quoted(): with g++ 14 the argument finds std::quoted too.
std::string in_quotes(std::string_view value) {
  return "\"" + std::string(value.substr(0, 128)) + "\"";
}

std::chrono::milliseconds duration_of(const Table& table, std::string_view key,
                                      std::string_view text) {
  const auto time = parse_duration(text);
  if (!time)
    table.fail(key,
               "is " + in_quotes(text) + "; a duration is a number and ms, s, m, h or d: \"5m\"");
  return *time;
}

std::vector<Wanted> read_patterns(Table& table, std::string_view key, const ValueForm& form) {
  std::vector<Wanted> list;
  for (const std::string& text : table.texts(key)) {
    if (text.empty() && !form.may_be_empty)
      table.fail(key, "has an empty pattern, which matches nothing");
    if (const auto fault = fault_in_pattern(text); !fault.empty()) table.fail(key, fault);
    try {
      list.push_back(form.places == Places::none ? Wanted(Pattern(text, form.kind))
                                                 : Wanted::with_places(text, form.kind));
    } catch (const Error& error) {
      table.fail(key, error.detail());
    }
  }
  return list;
}

namespace {

std::optional<Range> read_range(Table& table) {
  Range range;
  bool bounded = false;
  const auto bound = [&](const char* key, std::int64_t& value) {
    const auto given = table.integer(key, INT64_MIN, INT64_MAX);
    if (!given) return;
    value = *given;
    bounded = true;
  };
  bound("min", range.low);
  bound("max", range.high);
  if (range.low > range.high) table.fail("min", "is more than max, which nothing matches");
  return bounded ? std::optional(range) : std::nullopt;
}

}  // namespace

Condition read_condition(Table& outer, std::string_view key, const ValueForm& form) {
  Condition condition;
  if (!outer.is_table(key)) {
    condition.is = read_patterns(outer, key, form);
    return condition;
  }
  auto table = outer.table(key);
  condition.is = read_patterns(*table, "is", form);
  condition.is_not = read_patterns(*table, "not", form);
  if (form.may_be_address)
    for (const std::string& text : table->texts("cidr")) try {
        condition.networks.emplace_back(text);
      } catch (const Error& error) {
        table->fail("cidr", error.detail());
      }
  if (form.may_be_number) condition.range = read_range(*table);
  if (condition.range && (!condition.is.empty() || !condition.is_not.empty()))
    table->fail("is", "can't stand beside min and max: name patterns or a range");
  table->finish();
  if (table->is_empty())
    outer.fail(key, form.may_be_number ? "is empty: name is, not, min or max"
                                       : "is empty: name is or not");
  return condition;
}

}  // namespace holdfast::policy
