#include "daemon/policy/lint.h"

#include <algorithm>
#include <array>

#include "daemon/policy/accounts.h"
#include "daemon/policy/judge.h"
#include "daemon/policy/load.h"

namespace holdfast::policy {
namespace {

class Linter {
 public:
  Linter(std::vector<Grant> grants, SystemTime now) : grants_(std::move(grants)), now_(now) {}

  std::vector<Warning> run(const std::optional<std::vector<std::string>>& keys) {
    for (std::size_t i = 0; i < grants_.size(); ++i) {
      const Grant& grant = grants_[i];
      check_window(grant);
      check_accounts(grant);
      if (grant.effect == Effect::deny) continue;
      check_reach(i);
      check_width(grant);
    }
    if (keys) check_keys(*keys);
    return std::move(warnings_);
  }

 private:
  void warn(const char* code, const Grant& grant, std::string text) {
    warnings_.push_back({code, grant.name, grant.where, std::move(text)});
  }

  void check_window(const Grant& grant) {
    if (grant.when && grant.when->before && *grant.when->before <= now_)
      warn("expired", grant,
           "held until " + to_rfc3339(*grant.when->before) + " and never will again");
  }

  void check_accounts(const Grant& grant) {
    for (const Range& uid : grant.caller.uids)
      if (uid.low == uid.high && !account_of(static_cast<uid_t>(uid.low)))
        warn(
            "unknown-user", grant,
            "names the uid " + std::to_string(uid.low) + ", which the user database does not have");
  }

  void check_reach(std::size_t index) {
    const Grant& grant = grants_[index];
    for (std::size_t i = 0; i < grants_.size(); ++i) {
      const Grant& other = grants_[i];
      const bool denies = other.effect == Effect::deny;
      if (i == index || (!denies && i > index) || !covers(other, grant)) continue;
      const std::string what = "\"" + other.name + "\" (" + other.where + ")";
      if (denies)
        warn("denied", grant, "never allows anything: " + what + " denies all of it");
      else
        warn("unreachable", grant,
             "is never reached: " + what + " comes before it and allows all of it");
      return;
    }
  }

  static bool is_everything(const Wanted& wanted) {
    return wanted.text() == "*" || wanted.text() == "**";
  }
  static bool is_everything(const Condition& condition) {
    return std::ranges::any_of(condition.is,
                               [](const Wanted& wanted) { return is_everything(wanted); });
  }

  void check_width(const Grant& grant) {
    if (std::ranges::any_of(grant.keys, [](const Wanted& key) { return is_everything(key); }))
      warn("wide-key", grant, "is for every key, also for those that are made later");
    const CallerRule& caller = grant.caller;
    const std::array names{&caller.unit, &caller.label, &caller.container, &caller.pod,
                           &caller.security_label};
    if (!caller.names_user() && !caller.names_group() &&
        std::ranges::all_of(names,
                            [](const auto* name) { return !*name || is_everything(**name); }))
      warn("wide-caller", grant, "is for everybody who has one: name who is meant");
    if (grant.facts.empty())
      warn("wide-facts", grant, "names no facts: it allows whatever its keys can sign");
    for (const FactRule& rule : grant.facts)
      if (rule.wildcard && rule.name != "query." && rule.name != "field." &&
          is_everything(rule.condition))
        warn("wide-facts", grant,
             "allows any \"" + rule.name + "*\"" +
                 (rule.name == "header." ? ", also x-amz-copy-source, which reads from elsewhere"
                                         : ""));
    if (!grant.max_skew)
      warn("wide-skew", grant, "takes any time, so that signatures can be made for any day");
  }

  // For some caller.
  static bool may_name(const Wanted& wanted, const std::string& key) {
    if (!wanted.has_places()) return wanted.matches(key, Caller()) == Truth::yes;
    std::string text = wanted.text();
    for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{'))
      text.replace(at, text.find('}', at) + 1 - at, at > 0 && text[at - 1] == '*' ? "" : "*");
    return Pattern(text, PatternKind::plain).matches(key);
  }

  void check_keys(const std::vector<std::string>& keys) {
    const auto allows = [&](const std::string& key) {
      return std::ranges::any_of(grants_, [&](const Grant& grant) {
        return grant.effect == Effect::allow &&
               std::ranges::any_of(grant.keys,
                                   [&](const Wanted& wanted) { return may_name(wanted, key); });
      });
    };
    for (const std::string& key : keys)
      if (!allows(key))
        warnings_.push_back({"unused-key", "", "", "no grant allows anybody the key " + key});
    for (const Grant& grant : grants_)
      for (const Wanted& key : grant.keys)
        if (const std::string* name = key.literal();
            name != nullptr && std::ranges::find(keys, *name) == keys.end())
          warn("no-key", grant, "names the key " + *name + ", which the daemon does not have");
  }

  std::vector<Grant> grants_;
  SystemTime now_;
  std::vector<Warning> warnings_;
};

}  // namespace

std::vector<Warning> lint(const std::vector<Source>& sources,
                          const std::optional<std::vector<std::string>>& keys, SystemTime now) {
  return Linter(read_grants(sources), now).run(keys);
}

const std::vector<std::string>& lint_codes() {
  static const std::vector<std::string> codes{
      "unreachable", "denied",     "expired",   "unknown-user", "wide-key",
      "wide-caller", "wide-facts", "wide-skew", "unused-key",   "no-key"};
  return codes;
}

}  // namespace holdfast::policy
