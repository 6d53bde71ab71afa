// One grant, as read from its file, and whether it answers a question.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/policy/pattern.h"
#include "daemon/policy/policy.h"
#include "daemon/policy/template.h"
#include "daemon/policy/vocabulary.h"

namespace holdfast::policy {

// Each list that is not empty has to hold the caller; of a list one is enough.
struct CallerRule {
  std::vector<uid_t> users;  // `user`, resolved
  std::vector<uid_t> uids;
  std::vector<gid_t> groups;  // `group`, resolved; primary or supplementary
  std::vector<gid_t> gids;
  std::vector<Pattern> units;
  std::vector<Pattern> user_units;
  std::vector<Pattern> exes;
  std::vector<std::string> exe_digests;  // SHA-256 in hex
  std::vector<Pattern> labels;
  std::vector<Pattern> containers;
  std::vector<Pattern> pods;
  std::vector<Pattern> security_labels;
  bool nested = false;  // also callers in pid namespaces below the daemon's
};

struct FactRule {
  std::string name;  // of a wildcard ("claim.*") up to the dot
  bool wildcard = false;
  bool forbidden = false;  // `= false`: the fact must not be there
  FactForm form = FactForm::patterns;
  std::vector<Pattern> patterns;
  std::int64_t maximum = 0;
};

inline constexpr std::chrono::milliseconds kDefaultMaxSkew = std::chrono::minutes(5);
inline constexpr std::chrono::milliseconds kDefaultTtl = std::chrono::hours(1);

struct Grant {
  std::string name;
  std::string where;  // file:line
  std::vector<Pattern> keys;
  CallerRule caller;
  std::vector<FactRule> facts;
  std::optional<std::chrono::milliseconds> max_skew = kDefaultMaxSkew;  // nullopt: unlimited
  std::chrono::milliseconds ttl = kDefaultTtl;
  std::optional<Rate> rate;
  std::map<std::string, Template> set;
  std::vector<std::string> filled_in;  // attributes of the caller that `set` names
};

bool names_key(const Grant& grant, std::string_view key);
bool admits(const Grant& grant, const Caller& caller);
// As admits(), where the caller's executable is not known yet.
bool may_admit(const Grant& grant, const Caller& caller);
// Would it admit the caller if only its executable had the right digest?
bool wants_digest(const Grant& grant, const Caller& caller);

// Do caller, facts, skew and ttl match? (The key is the index's business.)
bool answers(const Grant& grant, const Question& question);

// How far it is from answering: the number of objections; a grant for another caller is further
// away than any for this one. 0 where it answers.
std::size_t distance(const Grant& grant, const Question& question);

// What keeps it from answering, in the order in which it is judged; empty where it answers. Texts
// are bounded and escaped.
std::vector<std::string> objections(const Grant& grant, const Question& question);

}  // namespace holdfast::policy
