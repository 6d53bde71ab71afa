// One grant, as read from its file.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy/condition.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/template.h"
#include "daemon/policy/vocabulary.h"
#include "daemon/policy/window.h"

namespace holdfast::policy {

enum class Effect : std::uint8_t { allow, deny };

// Each list that is not empty, and each condition that is there, has to hold for the caller; of a
// list one is enough. `user` and `group` are resolved; groups are primary or supplementary.
struct CallerRule {
  std::vector<Range> users, uids, groups, gids;
  std::optional<Condition> unit, user_unit, exe, label, container, pod, security_label;
  std::vector<std::string> exe_digests;  // SHA-256 in hex
  bool nested = false;                   // also callers in pid namespaces below the daemon's

  bool names_user() const { return !users.empty() || !uids.empty(); }
  bool names_group() const { return !groups.empty() || !gids.empty(); }
};

struct FactRule {
  std::string name;  // of a wildcard ("claim.*") up to the dot
  bool wildcard = false;
  bool forbidden = false;   // `= false`: the fact must not be there
  bool permission = false;  // `= true`: it may
  Condition condition;
};

inline constexpr std::chrono::milliseconds kDefaultMaxSkew = std::chrono::minutes(5);
inline constexpr std::chrono::milliseconds kDefaultTtl = std::chrono::hours(1);

struct Grant {
  std::string name;
  std::string where;  // file:line
  Effect effect = Effect::allow;
  std::vector<Wanted> keys;
  CallerRule caller;
  std::vector<FactRule> facts;
  std::optional<Window> when;
  // Of those that allow:
  std::optional<std::chrono::milliseconds> max_skew = kDefaultMaxSkew;  // nullopt: unlimited
  std::chrono::milliseconds ttl = kDefaultTtl;
  Limits limits;
  std::map<std::string, Template> set;
  std::vector<std::string> filled_in;  // attributes of the caller that `set` names
};

}  // namespace holdfast::policy
