#include "daemon/policy/grant.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/log.h"

namespace holdfast::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One way of judging serves the decision, which stops at the first objection, the search for the
// nearest grants, which counts them, and the reason, which wants their texts: they can't disagree.
class Objections {
 public:
  enum class Want { first, count, texts };
  explicit Objections(Want want) : want_(want) {}

  template <class Text>
  void add(Text text) {
    ++count_;
    if (want_ == Want::texts) texts_.push_back(text());
  }
  bool settled() const { return count_ > 0 && want_ == Want::first; }
  std::size_t count() const { return count_; }
  std::vector<std::string>& texts() { return texts_; }

 private:
  Want want_;
  std::size_t count_ = 0;
  std::vector<std::string> texts_;
};

constexpr std::size_t kShownBytes = 200;

std::string shown(std::string_view value) {
  const std::string text = log::escape(value.substr(0, kShownBytes));
  const std::string more = value.size() > kShownBytes ? "…" : "";
  return (text.starts_with('"') ? text : "\"" + text + "\"") + more;
}

std::string shown(const std::vector<Pattern>& patterns) {
  constexpr std::size_t kShownPatterns = 4;
  std::string text;
  for (std::size_t i = 0; i < patterns.size() && i < kShownPatterns; ++i)
    text.append(i == 0 ? "" : " or ").append(shown(patterns[i].text()));
  return patterns.size() > kShownPatterns ? text + " or …" : text;
}

bool matches_any(const std::vector<Pattern>& patterns, std::string_view value) {
  return std::ranges::any_of(patterns, [&](const Pattern& p) { return p.matches(value); });
}

template <class T>
bool holds(const std::vector<T>& list, T value) {
  return std::ranges::find(list, value) != list.end();
}

bool in_any_group(const std::vector<gid_t>& wanted, const Caller& caller) {
  return holds(wanted, caller.gid) ||
         std::ranges::any_of(caller.groups, [&](gid_t gid) { return holds(wanted, gid); });
}

// What could not be learned is empty and matches nothing, not even `**`.
void judge_attribute(std::string_view name, const std::vector<Pattern>& patterns,
                     std::string_view value, Objections& objections) {
  if (patterns.empty() || (!value.empty() && matches_any(patterns, value))) return;
  objections.add([&] {
    return "caller: " + std::string(name) + " is " + (value.empty() ? "not known" : shown(value)) +
           ", wanted " + shown(patterns);
  });
}

enum class Exe { known, digest_open, open };

void judge_caller(const Grant& grant, const Caller& caller, Objections& objections,
                  Exe exe = Exe::known) {
  const CallerRule& rule = grant.caller;
  const auto other_uid = [&] { return "caller: uid is " + std::to_string(caller.uid); };
  if (!rule.users.empty() && !holds(rule.users, caller.uid)) objections.add(other_uid);
  if (!rule.uids.empty() && !holds(rule.uids, caller.uid)) objections.add(other_uid);
  const auto other_group = [] { return std::string("caller: is in none of the groups"); };
  if (!rule.groups.empty() && !in_any_group(rule.groups, caller)) objections.add(other_group);
  if (!rule.gids.empty() && !in_any_group(rule.gids, caller)) objections.add(other_group);
  if (objections.settled()) return;
  judge_attribute("unit", rule.units, caller.unit, objections);
  judge_attribute("user_unit", rule.user_units, caller.user_unit, objections);
  if (exe != Exe::open) judge_attribute("exe", rule.exes, caller.exe, objections);
  if (exe == Exe::known && !rule.exe_digests.empty() && !holds(rule.exe_digests, caller.exe_sha256))
    objections.add([&] {
      return "caller: exe_sha256 is " +
             (caller.exe_sha256.empty() ? std::string("not known") : shown(caller.exe_sha256)) +
             ", wanted another";
    });
  judge_attribute("label", rule.labels, caller.label, objections);
  judge_attribute("container", rule.containers, caller.container, objections);
  judge_attribute("pod", rule.pods, caller.pod, objections);
  judge_attribute("security_label", rule.security_labels, caller.security_label, objections);
  if (caller.nested && !rule.nested && rule.containers.empty() && rule.pods.empty())
    objections.add([] {
      return std::string(
          "caller: is in a pid namespace of its own, or in which is not known: that needs "
          "container, pod or nested = true");
    });
  // A forced value with a hole in it would name somebody else, or nobody.
  for (const std::string& attribute : grant.filled_in)
    if (caller.attribute(attribute).empty() && (exe != Exe::open || attribute != "exe"))
      objections.add([&] { return "caller: " + attribute + " is not known, which set fills in"; });
}

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

bool lists_unknown(const FactRule& rule) {
  return std::ranges::any_of(rule.patterns,
                             [](const Pattern& p) { return p.text() == kUnknownAction; });
}

bool accepts(const FactRule& rule, const Fact& fact) {
  if (rule.forbidden) return false;
  switch (rule.form) {
    case FactForm::permission:
      return true;
    case FactForm::maximum: {
      std::int64_t value = 0;
      const char* end = fact.value.data() + fact.value.size();
      const auto [at, code] = std::from_chars(fact.value.data(), end, value);
      return code == std::errc() && at == end && value <= rule.maximum;
    }
    case FactForm::patterns:
      break;
  }
  if (fact.name == "action" && fact.value == kUnknownAction) return lists_unknown(rule);
  return matches_any(rule.patterns, fact.value);
}

bool is_closed(const Fact& fact) {
  if (fact.name == "action") return fact.value == kUnknownAction;
  const auto kind = fact_kind(fact.name);
  return kind && kind->closed;
}

// May the fact be missing though the rule names it?
bool is_optional(const FactRule& rule) {
  return rule.wildcard || rule.forbidden || rule.form == FactForm::permission ||
         (rule.name == "action" && lists_unknown(rule));
}

std::string wanted(const FactRule& rule) {
  if (rule.forbidden) return "none";
  return rule.form == FactForm::maximum ? "at most " + std::to_string(rule.maximum)
                                        : shown(rule.patterns);
}

// What `set` forces for a fact, as the fact would be; nullopt where it doesn't.
std::optional<std::string> forced_fact(const Grant& grant, const std::string& name,
                                       const Caller& caller) {
  const auto at = grant.set.find(name);
  if (at == grant.set.end()) return std::nullopt;
  const std::string text = at->second.fill(caller);
  return name.starts_with("claim.") ? fact_of_text(text) : text;
}

// A claim that only "claim.*" allows, but that a verifier may take for one that the grant binds or sets.
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

void judge_facts(const Grant& grant, const Question& question, Objections& objections) {
  const Facts& facts = question.facts;
  for (const FactRule& rule : grant.facts) {
    if (is_optional(rule) || facts.find(rule.name) != nullptr) continue;
    objections.add([&] { return rule.name + " is not there, wanted " + wanted(rule); });
    if (objections.settled()) return;
  }
  for (const Fact& fact : facts.all()) {
    const FactRule* rule = rule_for(grant, fact.name);
    const auto forced = forced_fact(grant, fact.name, question.caller);
    if (forced && fact.value != *forced)
      objections.add([&] {
        return shown(fact.name) + " was " + shown(fact.value) + ", but is set to " + shown(*forced);
      });
    else if (rule != nullptr && is_disguised(grant, fact.name))
      objections.add([&] {
        return shown(fact.name) +
               " is a name that some verifiers take for one that the grant binds";
      });
    else if (rule == nullptr && is_closed(fact) && !forced)
      objections.add([&] {
        return shown(fact.name) + " was " + shown(fact.value) + ", which a grant has to name";
      });
    else if (rule != nullptr && !accepts(*rule, fact))
      objections.add([&] {
        return shown(fact.name) + " was " + shown(fact.value) + ", wanted " + wanted(*rule);
      });
    if (objections.settled()) return;
  }
}

std::string in_seconds(seconds time) {
  return std::to_string(time.count()) + " s";
}
std::string in_seconds(milliseconds time) {
  return in_seconds(std::chrono::floor<seconds>(time));
}

void judge_request(const Grant& grant, const Question& question, Objections& objections) {
  judge_facts(grant, question, objections);
  if (objections.settled()) return;
  // Whole seconds on both sides, so that no conversion can overflow.
  if (grant.max_skew && question.skew > std::chrono::floor<seconds>(*grant.max_skew))
    objections.add([&] {
      return "time is " + in_seconds(question.skew) + " from now, limits.max_skew is " +
             in_seconds(*grant.max_skew);
    });
  if (question.ttl && *question.ttl > std::chrono::floor<seconds>(grant.ttl))
    objections.add([&] {
      return "ttl is " + in_seconds(*question.ttl) + ", limits.ttl is " + in_seconds(grant.ttl);
    });
}

}  // namespace

bool names_key(const Grant& grant, std::string_view key) {
  return matches_any(grant.keys, key);
}

bool admits(const Grant& grant, const Caller& caller) {
  Objections found(Objections::Want::first);
  judge_caller(grant, caller, found);
  return found.count() == 0;
}

bool may_admit(const Grant& grant, const Caller& caller) {
  Objections found(Objections::Want::first);
  judge_caller(grant, caller, found, Exe::open);
  return found.count() == 0;
}

bool wants_digest(const Grant& grant, const Caller& caller) {
  Objections found(Objections::Want::first);
  if (grant.caller.exe_digests.empty()) return false;
  judge_caller(grant, caller, found, Exe::digest_open);
  return found.count() == 0;
}

bool answers(const Grant& grant, const Question& question) {
  Objections found(Objections::Want::first);
  judge_caller(grant, question.caller, found);
  if (found.count() == 0) judge_request(grant, question, found);
  return found.count() == 0;
}

std::size_t distance(const Grant& grant, const Question& question) {
  constexpr std::size_t kOtherCaller = 1 << 20;
  Objections found(Objections::Want::count);
  judge_caller(grant, question.caller, found);
  const bool other_caller = found.count() > 0;
  judge_request(grant, question, found);
  return found.count() + (other_caller ? kOtherCaller : 0);
}

std::vector<std::string> objections(const Grant& grant, const Question& question) {
  Objections found(Objections::Want::texts);
  judge_caller(grant, question.caller, found);
  judge_request(grant, question, found);
  return std::move(found.texts());
}

}  // namespace holdfast::policy
