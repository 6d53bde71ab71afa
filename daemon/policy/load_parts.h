// The parts of a [[grant]]. Each throws Error{invalid_request} with file, line and what to do.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/table.h"
#include "daemon/policy/grant.h"

namespace holdfast::policy {

std::string in_quotes(std::string_view value);
std::chrono::milliseconds duration_of(const config::Table& table, std::string_view key,
                                      std::string_view text);

enum class Places : std::uint8_t { none, filled_in };

struct ValueForm {
  PatternKind kind = PatternKind::plain;
  Places places = Places::none;
  bool may_be_empty = false;
  bool may_be_address = false;  // { cidr = … }
  bool may_be_number = false;   // { min = …, max = … }
};

std::vector<Wanted> read_patterns(config::Table& table, std::string_view key,
                                  const ValueForm& form);
// A pattern, a list of them, or a table { is, not, cidr, min, max }.
Condition read_condition(config::Table& table, std::string_view key, const ValueForm& form);

CallerRule read_caller(config::Table& grant, Effect effect);
std::vector<FactRule> read_facts(config::Table& grant, Effect effect);
std::optional<Window> read_when(config::Table& grant);
void read_limits(config::Table& grant, Grant& made);
void read_set(config::Table& grant, Grant& made);

}  // namespace holdfast::policy
