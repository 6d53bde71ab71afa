#include "daemon/policy/judge.h"

#include <algorithm>

#include "daemon/policy/verdicts.h"

namespace holdfast::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Want = Verdicts::Want;

bool holds(const std::vector<Range>& ranges, std::int64_t id) {
  return std::ranges::any_of(ranges, [&](const Range& range) { return range.contains(id); });
}

bool in_any_group(const std::vector<Range>& wanted, const Caller& caller) {
  return holds(wanted, caller.gid) ||
         std::ranges::any_of(caller.groups, [&](gid_t gid) { return holds(wanted, gid); });
}

// What could not be learned is empty and matches nothing for certain, not even `**`.
void judge_attribute(std::string_view name, const std::optional<Condition>& wanted,
                     const std::string& value, const Caller& caller, Verdicts& verdicts) {
  if (!wanted) return;
  verdicts.add(value.empty() ? Truth::unknown : wanted->holds(value, caller), [&] {
    return "caller: " + std::string(name) + " is " + (value.empty() ? "not known" : shown(value)) +
           ", wanted " + wanted->text();
  });
}

void judge_digest(const CallerRule& rule, const Caller& caller, Verdicts& verdicts) {
  if (rule.exe_digests.empty()) return;
  const std::string& digest = caller.exe_sha256;
  const bool is_one = std::ranges::find(rule.exe_digests, digest) != rule.exe_digests.end();
  verdicts.add(digest.empty() ? Truth::unknown : truth(is_one), [&] {
    return "caller: exe_sha256 is " + (digest.empty() ? "not known" : shown(digest)) +
           ", wanted one of " + std::to_string(rule.exe_digests.size());
  });
}

// Whoever is in a pid namespace of its own, or in which is not known, is nobody whom grants for others mean.
void judge_nested(const Grant& grant, const Caller& caller, Verdicts& verdicts) {
  const CallerRule& rule = grant.caller;
  if (grant.effect == Effect::deny || !caller.nested || rule.nested || rule.container || rule.pod)
    return;
  verdicts.add(Truth::no, [] {
    return std::string(
        "caller: is in a pid namespace of its own, or in which is not known: that needs container, "
        "pod or nested = true");
  });
}

enum class Exe : std::uint8_t { known, digest_open, open };

void judge_caller(const Grant& grant, const Caller& caller, Verdicts& verdicts,
                  Exe exe = Exe::known) {
  const CallerRule& rule = grant.caller;
  for (const auto* uids : {&rule.users, &rule.uids})
    if (!uids->empty())
      verdicts.add(truth(holds(*uids, caller.uid)),
                   [&] { return "caller: uid is " + std::to_string(caller.uid); });
  for (const auto* gids : {&rule.groups, &rule.gids}) {
    if (gids->empty()) continue;
    const bool is_in = in_any_group(*gids, caller);
    verdicts.add(truth(is_in), [&] {
      return std::string(is_in ? "caller: is in one of the groups"
                               : "caller: is in none of the groups");
    });
  }
  if (verdicts.settled()) return;
  judge_attribute("unit", rule.unit, caller.unit, caller, verdicts);
  judge_attribute("user_unit", rule.user_unit, caller.user_unit, caller, verdicts);
  if (exe != Exe::open) judge_attribute("exe", rule.exe, caller.exe, caller, verdicts);
  if (exe == Exe::known) judge_digest(rule, caller, verdicts);
  judge_attribute("label", rule.label, caller.label, caller, verdicts);
  judge_attribute("container", rule.container, caller.container, caller, verdicts);
  judge_attribute("pod", rule.pod, caller.pod, caller, verdicts);
  judge_attribute("security_label", rule.security_label, caller.security_label, caller, verdicts);
  judge_nested(grant, caller, verdicts);
  // A forced value with a hole in it would name somebody else, or nobody.
  for (const std::string& attribute : grant.filled_in)
    if (caller.attribute(attribute).empty() && (exe != Exe::open || attribute != "exe"))
      verdicts.add(Truth::unknown,
                   [&] { return "caller: " + attribute + " is not known, which set fills in"; });
}

std::string in_seconds(seconds time) {
  return std::to_string(time.count()) + " s";
}
std::string in_seconds(milliseconds time) {
  return in_seconds(std::chrono::floor<seconds>(time));
}

void judge_limits(const Grant& grant, const Question& question, Verdicts& verdicts) {
  // Whole seconds on both sides, so that no conversion can overflow.
  if (grant.max_skew && question.skew > std::chrono::floor<seconds>(*grant.max_skew))
    verdicts.add(Truth::no, [&] {
      return "time is " + in_seconds(question.skew) + " from now, limits.max_skew is " +
             in_seconds(*grant.max_skew);
    });
  if (question.ttl && *question.ttl > std::chrono::floor<seconds>(grant.ttl))
    verdicts.add(Truth::no, [&] {
      return "ttl is " + in_seconds(*question.ttl) + ", limits.ttl is " + in_seconds(grant.ttl);
    });
}

void judge_request(const Grant& grant, const Question& question, const Grant* allowing,
                   Verdicts& verdicts) {
  if (grant.when)
    verdicts.add(truth(grant.when->holds(question.now)), [&] {
      return "now is " + weekday_and_time(question.now) + ", wanted " + grant.when->text();
    });
  if (verdicts.settled()) return;
  judge_facts(grant, question, allowing, verdicts);
  if (!verdicts.settled() && grant.effect == Effect::allow) judge_limits(grant, question, verdicts);
}

}  // namespace

bool names_key(const Grant& grant, std::string_view key, const Caller& caller) {
  Truth named = Truth::no;
  for (const Wanted& wanted : grant.keys) named = either(named, wanted.matches(key, caller));
  return grant.effect == Effect::allow ? named == Truth::yes : named != Truth::no;
}

bool admits(const Grant& grant, const Caller& caller) {
  Verdicts found(grant.effect, Want::first);
  judge_caller(grant, caller, found);
  return found.objections() == 0;
}

bool may_admit(const Grant& grant, const Caller& caller) {
  Verdicts found(grant.effect, Want::first);
  judge_caller(grant, caller, found, Exe::open);
  return found.objections() == 0;
}

bool wants_digest(const Grant& grant, const Caller& caller) {
  Verdicts found(grant.effect, Want::first);
  judge_caller(grant, caller, found, Exe::digest_open);
  return found.objections() == 0;
}

bool answers(const Grant& grant, const Question& question, const Grant* allowing) {
  Verdicts found(grant.effect, Want::first);
  judge_caller(grant, question.caller, found);
  if (found.objections() == 0) judge_request(grant, question, allowing, found);
  return found.objections() == 0;
}

std::size_t distance(const Grant& grant, const Question& question) {
  constexpr std::size_t kOtherCaller = 1 << 20;
  Verdicts found(grant.effect, Want::count);
  judge_caller(grant, question.caller, found);
  const bool other_caller = found.objections() > 0;
  judge_request(grant, question, nullptr, found);
  return found.objections() + (other_caller ? kOtherCaller : 0);
}

std::vector<Finding> findings(const Grant& grant, const Question& question, const Grant* allowing) {
  Verdicts found(grant.effect, Want::texts);
  judge_caller(grant, question.caller, found);
  judge_request(grant, question, allowing, found);
  return std::move(found.findings());
}

}  // namespace holdfast::policy
