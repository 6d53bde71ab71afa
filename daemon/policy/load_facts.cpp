#include <algorithm>

#include "daemon/policy/load_parts.h"

namespace holdfast::policy {
namespace {

using config::Table;

// A number is the most that is allowed. Denied, it would read like the most that is left.
void read_number(Table& table, const std::string& key, Effect effect, FactRule& rule) {
  constexpr std::int64_t kMost = 5'368'709'120;  // 5 GiB, the most that S3 takes in one upload
  if (table.is_table(key)) {
    rule.condition = read_condition(table, key, {.may_be_number = true});
    return;
  }
  rule.condition.range = Range{.high = table.integer(key, 1, kMost).value_or(0)};
  if (effect == Effect::deny)
    table.fail(key, "has to say which are denied: { min = 901 } or { max = 900 }");
}

void read_permission(Table& table, const std::string& key, FactRule& rule) {
  rule.permission = table.boolean(key).value_or(false);
  rule.forbidden = !rule.permission;
}

// What is filled in is not looked at.
void check_values(const Table& table, const std::string& key, const FactRule& rule) {
  for (const auto* list : {&rule.condition.is, &rule.condition.is_not})
    for (const Wanted& wanted : *list)
      if (const auto fault = fault_in_value(rule.name, wanted.text());
          !wanted.has_places() && !fault.empty())
        table.fail(key, "is " + in_quotes(wanted.text()) + ", which " + std::string(fault));
}

FactRule read_fact(Table& table, const std::string& key, Effect effect) {
  FactRule rule;
  rule.name = fact_name(key);
  const auto kind = fact_kind(rule.name);
  if (rule.name.starts_with("claim.") && is_registered_claim(rule.name.substr(6)))
    table.fail(key,
               "is a registered claim, which no caller can give: name audience, issuer or "
               "subject, and limits.ttl");
  if (rule.name == "ttl" && table.is_text(key))
    table.fail(key, "is in seconds: ttl = 300; or a limit: write limits = { ttl = \"5m\" }");
  if (!kind)
    table.fail(key, "is not a fact (a name with a dot has to be in quotes); there are " +
                        std::string(fact_names()));
  const std::size_t dot = rule.name.find('.');
  const bool dotted = dot != std::string::npos;
  rule.wildcard = dotted && rule.name.substr(dot) == ".*";
  if (rule.wildcard) rule.name.pop_back();

  if (kind->form == FactForm::permission) {
    read_permission(table, key, rule);
  } else if (kind->form == FactForm::number) {
    read_number(table, key, effect, rule);
  } else if (dotted && table.is_boolean(key)) {
    rule.forbidden = !*table.boolean(key);
    if (!rule.forbidden) table.fail(key, "can't be true: give a pattern, \"**\" for any value");
  } else {
    rule.condition = read_condition(table, key,
                                    {.kind = kind->pattern,
                                     .places = Places::filled_in,
                                     .may_be_empty = dotted,
                                     .may_be_address = rule.name == "host",
                                     .may_be_number = dotted});
    check_values(table, key, rule);
  }
  return rule;
}

int minute_of(const Table& table, std::string_view key, std::string_view text) {
  const auto digit = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  int minute = -1;
  if (text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4)) {
    const int minutes = (text[3] - '0') * 10 + (text[4] - '0');
    if (minutes < 60) minute = ((text[0] - '0') * 10 + (text[1] - '0')) * 60 + minutes;
  }
  if (minute < 0 || minute > Window::kDay || (minute == Window::kDay && key != "to"))
    table.fail(key, "is " + in_quotes(text) + "; a time of day is written \"08:00\", in UTC");
  return minute;
}

unsigned day_of(const Table& table, std::string_view name) {
  constexpr std::string_view kDays = "montuewedthufrisatsun";
  const std::size_t at = name.size() == 3 ? kDays.find(name) : std::string_view::npos;
  if (at == std::string_view::npos || at % 3 != 0)
    table.fail("days", "names " + in_quotes(name) +
                           "; there are mon tue wed thu fri sat sun, and ranges as \"mon-fri\"");
  return static_cast<unsigned>(at / 3);
}

std::uint8_t days_of(const Table& table, const std::vector<std::string>& list) {
  unsigned days = list.empty() ? 0x7F : 0;
  for (const std::string& text : list) {
    const std::size_t dash = std::min(text.find('-'), text.size());
    const std::string_view first = std::string_view(text).substr(0, dash);
    const std::string_view last =
        dash == text.size() ? first : std::string_view(text).substr(dash + 1);
    const unsigned end = day_of(table, last);
    for (unsigned day = day_of(table, first);; day = (day + 1) % 7) {
      days |= 1U << day;
      if (day == end) break;
    }
  }
  return static_cast<std::uint8_t>(days);
}

std::optional<SystemTime> time_of(Table& table, std::string_view key) {
  const auto text = table.text(key);
  if (!text) return std::nullopt;
  const auto time = from_rfc3339(*text);
  if (!time)
    table.fail(key, "is " + in_quotes(*text) + "; a time is written \"2026-01-31T00:00:00Z\"");
  return time;
}

}  // namespace

std::vector<FactRule> read_facts(Table& grant, Effect effect) {
  std::vector<FactRule> rules;
  auto table = grant.table("facts");
  if (!table) return rules;
  for (const std::string& key : table->keys()) {
    FactRule rule = read_fact(*table, key, effect);
    const auto same = [&](const FactRule& other) {
      return other.name == rule.name && other.wildcard == rule.wildcard;
    };
    if (std::ranges::any_of(rules, same))
      table->fail(key, "is given twice (the case of a header's name does not count)");
    rules.push_back(std::move(rule));
  }
  table->finish();
  return rules;
}

std::optional<Window> read_when(Table& grant) {
  auto table = grant.table("when");
  if (!table) return std::nullopt;
  Window window;
  window.days = days_of(*table, table->texts("days"));
  if (const auto text = table->text("from")) window.from = minute_of(*table, "from", *text);
  if (const auto text = table->text("to")) window.to = minute_of(*table, "to", *text);
  window.after = time_of(*table, "after");
  window.before = time_of(*table, "before");
  table->finish();
  if (table->is_empty()) grant.fail("when", "is empty: name days, from, to, after or before");
  if (window.from == window.to)
    table->fail("to",
                "is the same as from, which leaves no time: leave both out for the whole day");
  if (window.after && window.before && *window.after >= *window.before)
    table->fail("before", "is not later than after, which leaves no time");
  return window;
}

}  // namespace holdfast::policy
