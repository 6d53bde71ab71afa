#include <algorithm>

#include "daemon/policy/judge.h"
#include "daemon/policy/lint.h"

namespace holdfast::policy {
namespace {

bool covers_pattern(const Wanted& wide, const Wanted& narrow) {
  if (wide.text() == narrow.text()) return true;
  if (wide.has_places()) return false;
  if (const std::string* literal = narrow.literal())
    return wide.matches(*literal, Caller()) == Truth::yes;
  // "a**" takes whatever begins with a, so every pattern that does.
  const std::string& text = wide.text();
  return text.ends_with("**") && text.find('*') == text.size() - 2 &&
         narrow.text().starts_with(text.substr(0, text.size() - 2));
}

template <class List, class Covers>
bool each_is_covered(const List& narrow, const List& wide, Covers covers_one) {
  return std::ranges::all_of(narrow, [&](const auto& one) {
    return std::ranges::any_of(wide, [&](const auto& other) { return covers_one(other, one); });
  });
}

bool covers_range(const Range& wide, const Range& narrow) {
  return wide.low <= narrow.low && wide.high >= narrow.high;
}

bool is_open(const Condition& condition) {
  return condition.is.empty() && condition.networks.empty() && !condition.range;
}

bool covers_condition(const Condition& wide, const Condition& narrow) {
  const auto same_text = [](const auto& a, const auto& b) { return a.text() == b.text(); };
  if (!each_is_covered(wide.is_not, narrow.is_not, same_text)) return false;
  if (is_open(wide)) return true;
  if (is_open(narrow)) return false;
  if (narrow.range && !(wide.range && covers_range(*wide.range, *narrow.range))) return false;
  return each_is_covered(narrow.is, wide.is, covers_pattern) &&
         each_is_covered(narrow.networks, wide.networks, same_text);
}

bool covers_attribute(const std::optional<Condition>& wide,
                      const std::optional<Condition>& narrow) {
  return !wide || (narrow && covers_condition(*wide, *narrow));
}

// Each list of the wide one holds all that one of the narrow one's holds.
bool covers_ids(std::initializer_list<const std::vector<Range>*> wide,
                std::initializer_list<const std::vector<Range>*> narrow) {
  return std::ranges::all_of(wide, [&](const auto* all) {
    return all->empty() || std::ranges::any_of(narrow, [&](const auto* some) {
             return !some->empty() && each_is_covered(*some, *all, covers_range);
           });
  });
}

bool covers_digests(const std::vector<std::string>& wide, const std::vector<std::string>& narrow) {
  return wide.empty() || (!narrow.empty() && std::ranges::all_of(narrow, [&](const auto& digest) {
           return std::ranges::find(wide, digest) != wide.end();
         }));
}

// Of callers in pid namespaces of their own.
bool covers_nested(const Grant& wide, const Grant& narrow) {
  const auto takes_them = [](const CallerRule& rule) {
    return rule.nested || rule.container || rule.pod;
  };
  return wide.effect == Effect::deny || takes_them(wide.caller) || !takes_them(narrow.caller);
}

bool covers_caller(const CallerRule& wide, const CallerRule& narrow) {
  return covers_ids({&wide.users, &wide.uids}, {&narrow.users, &narrow.uids}) &&
         covers_ids({&wide.groups, &wide.gids}, {&narrow.groups, &narrow.gids}) &&
         covers_attribute(wide.unit, narrow.unit) &&
         covers_attribute(wide.user_unit, narrow.user_unit) &&
         covers_attribute(wide.exe, narrow.exe) && covers_attribute(wide.label, narrow.label) &&
         covers_attribute(wide.container, narrow.container) &&
         covers_attribute(wide.pod, narrow.pod) &&
         covers_attribute(wide.security_label, narrow.security_label) &&
         covers_digests(wide.exe_digests, narrow.exe_digests);
}

const FactRule* same_rule(const Grant& grant, const FactRule& rule) {
  const auto at = std::ranges::find_if(grant.facts, [&](const FactRule& other) {
    return other.name == rule.name && other.wildcard == rule.wildcard;
  });
  return at == grant.facts.end() ? nullptr : &*at;
}

bool opens_unknown(const FactRule& rule) {
  return rule.name == "action" && lists(rule.condition.is, kUnknownAction);
}

bool opens_region_wildcard(const FactRule& rule) {
  return rule.name == "region" && rule.condition.is_not.empty() &&
         std::ranges::any_of(rule.condition.is,
                             [](const Wanted& wanted) { return wanted.literal() == nullptr; });
}

bool opens_post(const FactRule& rule) {
  return rule.name == "mode" && rule.condition.holds(kPostMode, Caller()) != Truth::no;
}

// Does the rule let something through that is closed without it?
bool opens(const FactRule& rule) {
  return !rule.forbidden && (rule.wildcard || opens_unknown(rule) || opens_region_wildcard(rule) ||
                             opens_post(rule) || fact_kind(rule.name).value_or(FactKind{}).closed);
}

bool covers_rule(const FactRule& wide, const FactRule* narrow, Effect effect) {
  if (effect == Effect::allow && wide.permission) return true;
  if (narrow == nullptr || wide.permission) return false;
  if (wide.forbidden || narrow->forbidden) return wide.forbidden && narrow->forbidden;
  // A request that has none of them fits the narrow one and not the deny.
  if (effect == Effect::deny && (wide.wildcard || opens_unknown(*narrow))) return false;
  if (opens_unknown(*narrow) && !opens_unknown(wide)) return false;
  return covers_condition(wide.condition, narrow->condition);
}

// A rule that only the narrow one has: is what it lets through bound by no wildcard of the wide one,
// or let through by that too?
bool covers_further(const Grant& wide, const FactRule& narrow) {
  if (opens(narrow)) return false;
  const auto wildcard = std::ranges::find_if(wide.facts, [&](const FactRule& rule) {
    return rule.wildcard && narrow.name.starts_with(rule.name);
  });
  return wildcard == wide.facts.end() || narrow.forbidden ||
         (!wildcard->forbidden && covers_condition(wildcard->condition, narrow.condition));
}

bool covers_limits(const Grant& wide, const Grant& narrow) {
  return (!wide.max_skew || (narrow.max_skew && *wide.max_skew >= *narrow.max_skew)) &&
         wide.ttl >= narrow.ttl && wide.set.empty();
}

}  // namespace

bool covers(const Grant& wide, const Grant& narrow) {
  if (!each_is_covered(narrow.keys, wide.keys, covers_pattern) ||
      !covers_caller(wide.caller, narrow.caller) || !covers_nested(wide, narrow))
    return false;
  if (wide.when && !(narrow.when && wide.when->text() == narrow.when->text())) return false;
  const auto fits = [&](const FactRule& rule) {
    return covers_rule(rule, same_rule(narrow, rule), wide.effect);
  };
  if (!std::ranges::all_of(wide.facts, fits)) return false;
  return wide.effect == Effect::deny ||
         (covers_limits(wide, narrow) &&
          std::ranges::all_of(narrow.facts, [&](const FactRule& rule) {
            return same_rule(wide, rule) != nullptr || covers_further(wide, rule);
          }));
}

}  // namespace holdfast::policy
