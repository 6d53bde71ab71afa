#include <algorithm>

#include "daemon/policy/verdicts.h"

namespace holdfast::policy {
namespace {

bool covers(const FactRule& rule, std::string_view name) {
  return rule.wildcard ? name.starts_with(rule.name) : name == rule.name;
}

// The rule that binds a fact: the one of its very name, else the wildcard.
const FactRule* rule_for(const Grant& grant, std::string_view name) {
  const FactRule* wildcard = nullptr;
  for (const FactRule& rule : grant.facts) {
    if (!covers(rule, name)) continue;
    if (!rule.wildcard) return &rule;
    wildcard = &rule;
  }
  return wildcard;
}

// A region with a wildcard stands for regions that can't be named: what one pattern takes as a whole holds for
// each of them, and of the rest nothing is certain.
Truth holds_for_all(const Condition& wanted, std::string_view regions, const Caller& caller) {
  const auto takes_all = [&](const std::vector<Wanted>& patterns) {
    return Condition{patterns, {}, {}, {}}.holds(regions, caller) == Truth::yes;
  };
  if (wanted.is_not.empty()) return takes_all(wanted.is) ? Truth::yes : Truth::unknown;
  return takes_all(wanted.is_not) ? Truth::no : Truth::unknown;
}

// The port in a Host header binds nothing of where the request goes. So what closes (a deny, the
// `not` of an allow) is for all ports of a host, unless it names one; what opens is for that very
// spelling.
Truth accepts_host(const Condition& wanted, Effect effect, std::string_view host,
                   const Caller& caller) {
  const std::string_view name = without_port(host);
  if (effect == Effect::deny)
    return both(either(wanted.names(host, caller), wanted.names(name, caller)),
                !wanted.leaves_out(host, caller));
  return both(wanted.names(host, caller),
              !either(wanted.leaves_out(host, caller), wanted.leaves_out(name, caller)));
}

Truth accepts(const FactRule& rule, Effect effect, std::string_view name, std::string_view value,
              const Caller& caller) {
  if (rule.forbidden) return Truth::no;
  if (name == "action" && value == kUnknownAction && !lists(rule.condition.is, kUnknownAction))
    return lists(rule.condition.is_not, kUnknownAction) ? Truth::no : Truth::unknown;
  if (name == "region" && is_region_wildcard(value))
    return holds_for_all(rule.condition, value, caller);
  if (name == "host") return accepts_host(rule.condition, effect, value, caller);
  return rule.condition.holds(value, caller);
}

bool is_closed(const Fact& fact) {
  if (fact.name == "action") return fact.value == kUnknownAction;
  if (fact.name == "region") return is_region_wildcard(fact.value);
  if (fact.name == "mode") return fact.value == kPostMode;
  const auto kind = fact_kind(fact.name);
  return kind && kind->closed;
}

// May the fact be missing though the rule names it?
bool is_optional(const FactRule& rule) {
  return rule.wildcard || rule.forbidden || rule.permission ||
         (rule.name == "action" && lists(rule.condition.is, kUnknownAction));
}

// May whoever uploads give a header or field of the rule, of which a POST policy says the beginning
// alone?
bool is_left_open(const FactRule& rule, const Facts& facts) {
  const std::string_view name = rule.name;
  if (!name.starts_with("header.") && !name.starts_with("field.")) return false;
  const std::string_view rest = name.substr(name.find('.') + 1);
  return std::ranges::any_of(facts.all(), [&](const Fact& fact) {
    return fact.name.starts_with(kStartsWith) &&
           (rule.wildcard || fact.name.substr(kStartsWith.size()) == rest);
  });
}

std::string wanted(const FactRule& rule) {
  return rule.forbidden ? "none" : rule.condition.text();
}

std::string was(std::string_view name, std::string_view value) {
  return shown(name) + " was " + shown(value) + ", ";
}

// What `set` forces for a fact, as the fact would be; nullopt where it doesn't.
std::optional<std::string> forced_fact(const Grant& grant, const std::string& name,
                                       const Caller& caller) {
  const auto at = grant.set.find(name);
  if (at == grant.set.end()) return std::nullopt;
  const std::string text = at->second.fill(caller);
  return name.starts_with("claim.") ? fact_of_text(text) : text;
}

// A claim that only "claim.*" allows, but that a verifier may take for one that the grant binds or
// sets.
bool is_disguised(const Grant& grant, const std::string& name) {
  if (!name.starts_with("claim.")) return false;
  const auto hides = [&](const std::string& bound) {
    return bound.starts_with("claim.") && bound != name && reads_alike(bound, name);
  };
  return std::ranges::any_of(grant.set, [&](const auto& entry) { return hides(entry.first); }) ||
         std::ranges::any_of(grant.facts, [&](const FactRule& rule) {
           return !rule.wildcard && hides(rule.name) && rule_for(grant, name)->wildcard;
         });
}

void judge_allowed(const Grant& grant, const Fact& fact, const Caller& caller, Verdicts& verdicts) {
  const FactRule* rule = rule_for(grant, fact.name);
  const auto forced = forced_fact(grant, fact.name, caller);
  if (forced && fact.value != *forced)
    verdicts.add(Truth::no,
                 [&] { return was(fact.name, fact.value) + "but is set to " + shown(*forced); });
  else if (rule != nullptr && is_disguised(grant, fact.name))
    verdicts.add(Truth::no, [&] {
      return shown(fact.name) + " is a name that some verifiers take for one that the grant binds";
    });
  else if (rule == nullptr && is_closed(fact) && !forced)
    verdicts.add(Truth::no,
                 [&] { return was(fact.name, fact.value) + "which a grant has to name"; });
  else if (rule != nullptr)
    verdicts.add(accepts(*rule, grant.effect, fact.name, fact.value, caller),
                 [&] { return was(fact.name, fact.value) + "wanted " + wanted(*rule); });
}

// Every value of every fact has to be allowed, and what is named has to be there.
void judge_all_allowed(const Grant& grant, const Question& question, Verdicts& verdicts) {
  for (const FactRule& rule : grant.facts) {
    if (rule.name == "ttl" && question.ttl) {
      const std::string value = std::to_string(question.ttl->count());
      verdicts.add(rule.condition.holds(value, question.caller),
                   [&] { return was("ttl", value) + "wanted " + wanted(rule); });
    } else if (rule.forbidden && is_left_open(rule, question.facts)) {
      verdicts.add(Truth::no, [&] {
        return rule.name + (rule.wildcard ? "*" : "") + " is left to whoever uploads, wanted " +
               wanted(rule);
      });
    } else if (!is_optional(rule) && question.facts.find(rule.name) == nullptr) {
      verdicts.add(Truth::no, [&] { return rule.name + " is not there, wanted " + wanted(rule); });
    }
    if (verdicts.settled()) return;
  }
  for (const Fact& fact : question.facts.all()) {
    judge_allowed(grant, fact, question.caller, verdicts);
    if (verdicts.settled()) return;
  }
}

// Is it this rule of a deny that speaks of the fact? A claim by whatever name a verifier may take
// for it.
bool means(const Grant& grant, const FactRule& rule, const std::string& name) {
  if (rule.wildcard) return rule_for(grant, name) == &rule;
  return name == rule.name || (rule.name.starts_with("claim.") && name.starts_with("claim.") &&
                               reads_alike(rule.name, name));
}

// One value is enough for a deny, of what was asked or of what `allowing` forces.
void judge_denied(const Grant& grant, const FactRule& rule, const Question& question,
                  const Grant* allowing, Verdicts& verdicts) {
  Truth found = Truth::no;
  bool there = false;
  std::string name, value;
  const auto see = [&](const std::string& of, const std::string& is) {
    if (!means(grant, rule, of)) return;
    const Truth holds =
        rule.forbidden ? Truth::yes : accepts(rule, grant.effect, of, is, question.caller);
    if (there && holds <= found) return;
    there = true;
    found = holds;
    name = of;
    value = is;
  };
  if (rule.name == "ttl" && question.ttl) see("ttl", std::to_string(question.ttl->count()));
  for (const Fact& fact : question.facts.all()) see(fact.name, fact.value);
  if (allowing != nullptr)
    for (const auto& [of, text] : allowing->set)
      see(of, *forced_fact(*allowing, of, question.caller));

  if (rule.forbidden)
    found = truth(!there);
  else if (!there)
    found = !is_left_open(rule, question.facts) &&
                    (rule.wildcard ||
                     is_surely_absent(rule.name, question.facts, question.ttl.has_value()))
                ? Truth::no
                : Truth::unknown;
  verdicts.add(found, [&] {
    return (there ? was(name, value) : rule.name + (rule.wildcard ? "*" : "") + " is not there, ") +
           "wanted " + wanted(rule);
  });
}

}  // namespace

void judge_facts(const Grant& grant, const Question& question, const Grant* allowing,
                 Verdicts& verdicts) {
  if (grant.effect == Effect::allow) return judge_all_allowed(grant, question, verdicts);
  for (const FactRule& rule : grant.facts) {
    judge_denied(grant, rule, question, allowing, verdicts);
    if (verdicts.settled()) return;
  }
}

}  // namespace holdfast::policy
