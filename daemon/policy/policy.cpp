#include "daemon/policy/policy.h"

#include <algorithm>
#include <unordered_map>

#include "daemon/base/log.h"
#include "daemon/base/openssl.h"
#include "daemon/policy/grant.h"
#include "daemon/policy/load.h"

namespace holdfast::policy {
namespace {

using Indices = std::vector<std::size_t>;

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

constexpr std::size_t kNearest = 3;
constexpr std::size_t kShownObjections = 6;

// Lengths before contents, so that no two lists of sources hash alike.
std::string digest_of(const std::vector<Source>& sources) {
  std::string all;
  for (const Source& source : sources)
    for (const std::string* text : {&source.name, &source.text})
      all.append(std::to_string(text->size())).append(":").append(*text);
  return sha256_hex(all);
}

}  // namespace

struct Policy::Rules {
  std::vector<Grant> grants;
  // By the names of keys that grants give in full, and the grants that have a pattern among theirs;
  // both ascending, so that merged they are in file order.
  std::unordered_map<std::string, Indices, TextHash, std::equal_to<>> by_key;
  Indices by_pattern;
  // By something that a grant's caller must have, so that 10,000 grants for others cost nothing.
  std::unordered_map<uid_t, Indices> by_uid;
  std::unordered_map<gid_t, Indices> by_gid;
  std::unordered_map<std::string, Indices> by_unit;
  Indices by_other;
  Indices with_digest;  // those that name the digest of an executable

  explicit Rules(std::vector<Grant> read) : grants(std::move(read)) {
    for (std::size_t i = 0; i < grants.size(); ++i) {
      add_caller(i);
      if (!grants[i].caller.exe_digests.empty()) with_digest.push_back(i);
      const auto& keys = grants[i].keys;
      if (!std::ranges::all_of(keys, &Pattern::is_literal)) {
        by_pattern.push_back(i);
        continue;
      }
      for (const Pattern& key : keys) {
        Indices& indices = by_key[key.text()];
        if (indices.empty() || indices.back() != i) indices.push_back(i);
      }
    }
  }

  void add_caller(std::size_t i) {
    const CallerRule& rule = grants[i].caller;
    if (!rule.users.empty() || !rule.uids.empty()) {
      for (const uid_t uid : rule.users.empty() ? rule.uids : rule.users) by_uid[uid].push_back(i);
    } else if (!rule.groups.empty() || !rule.gids.empty()) {
      for (const gid_t gid : rule.groups.empty() ? rule.gids : rule.groups)
        by_gid[gid].push_back(i);
    } else if (!rule.units.empty() && std::ranges::all_of(rule.units, &Pattern::is_literal)) {
      for (const Pattern& unit : rule.units) by_unit[unit.text()].push_back(i);
    } else {
      by_other.push_back(i);
    }
  }

  template <class Map, class Id>
  bool any_admits(const Map& map, const Id& id, const Caller& caller) const {
    const auto found = map.find(id);
    return found != map.end() && any_admits(found->second, caller);
  }
  bool any_admits(const Indices& indices, const Caller& caller) const {
    return std::ranges::any_of(indices,
                               [&](std::size_t i) { return may_admit(grants[i], caller); });
  }

  // Calls visit(index) for each grant that names the key, in file order, until it returns true.
  template <class Visit>
  void for_key(std::string_view key, Visit visit) const {
    static const Indices kNone;
    const auto found = by_key.find(key);
    const Indices& exact = found == by_key.end() ? kNone : found->second;
    auto a = exact.begin();
    auto b = by_pattern.begin();
    while (a != exact.end() || b != by_pattern.end()) {
      const bool pattern = a == exact.end() || (b != by_pattern.end() && *b < *a);
      const std::size_t index = pattern ? *b++ : *a++;
      if (pattern && !names_key(grants[index], key)) continue;
      if (visit(index)) return;
    }
  }
};

std::shared_ptr<const Policy> Policy::load(const std::vector<Source>& sources) {
  auto policy = std::make_shared<Policy>();
  policy->rules_ = std::make_unique<const Rules>(read_grants(sources));
  policy->digest_ = digest_of(sources);
  return policy;
}

Policy::Policy()
    : rules_(std::make_unique<const Rules>(std::vector<Grant>())), digest_(digest_of({})) {}
Policy::~Policy() = default;

Decision Policy::decide(const Question& question) const {
  Decision decision;
  rules_->for_key(question.key, [&](std::size_t index) {
    if (!answers(rules_->grants[index], question)) return false;
    decision.allowed = true;
    decision.grant = index;
    return true;
  });
  if (!decision.allowed) decision.reason = reason(question);
  return decision;
}

std::string Policy::reason(const Question& question) const {
  struct Near {
    std::size_t grant;
    std::size_t distance;
  };
  std::vector<Near> nearest;
  std::size_t count = 0;
  rules_->for_key(question.key, [&](std::size_t index) {
    ++count;
    nearest.push_back({index, distance(rules_->grants[index], question)});
    std::ranges::stable_sort(nearest, {}, &Near::distance);
    if (nearest.size() > kNearest) nearest.pop_back();
    return false;
  });
  if (nearest.empty()) return "no grant names the key " + log::escape(question.key.substr(0, 128));

  std::string text = count == 1 ? "one grant names the key"
                                : std::to_string(count) + " grants name the key, nearest first";
  for (const Near& near : nearest) {
    const Grant& grant = rules_->grants[near.grant];
    text.append("; \"").append(grant.name).append("\" (").append(grant.where).append("): ");
    const std::vector<std::string> all = objections(grant, question);
    for (std::size_t i = 0; i < all.size() && i < kShownObjections; ++i)
      text.append(i == 0 ? "" : ", and ").append(all[i]);
    if (all.size() > kShownObjections)
      text.append(", and ").append(std::to_string(all.size() - kShownObjections)).append(" more");
  }
  return text;
}

bool Policy::names(const Caller& caller, std::string_view key) const {
  bool found = false;
  rules_->for_key(key, [&](std::size_t i) { return found = admits(rules_->grants[i], caller); });
  return found;
}

bool Policy::may_name(const Caller& caller) const {
  const Rules& rules = *rules_;
  return rules.any_admits(rules.by_uid, caller.uid, caller) ||
         rules.any_admits(rules.by_gid, caller.gid, caller) ||
         std::ranges::any_of(
             caller.groups,
             [&](gid_t gid) { return rules.any_admits(rules.by_gid, gid, caller); }) ||
         rules.any_admits(rules.by_unit, caller.unit, caller) ||
         rules.any_admits(rules.by_other, caller);
}

bool Policy::wants_digest(const Caller& caller) const {
  return std::ranges::any_of(rules_->with_digest, [&](std::size_t i) {
    return policy::wants_digest(rules_->grants[i], caller);
  });
}

std::vector<std::string> Policy::grants_of(const Caller& caller) const {
  std::vector<std::string> names;
  for (const Grant& grant : rules_->grants)
    if (admits(grant, caller)) names.push_back(grant.name);
  return names;
}

std::size_t Policy::size() const {
  return rules_->grants.size();
}
const std::string& Policy::grant_name(std::size_t i) const {
  return rules_->grants.at(i).name;
}
const std::optional<Rate>& Policy::rate(std::size_t i) const {
  return rules_->grants.at(i).rate;
}

std::map<std::string, std::string> Policy::forced(std::size_t grant, const Caller& caller) const {
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : rules_->grants.at(grant).set)
    values.emplace(name, value.fill(caller));
  return values;
}

bool Policy::needs_process_identity() const {
  return std::ranges::any_of(rules_->grants, [](const Grant& grant) {
    const CallerRule& caller = grant.caller;
    return !caller.units.empty() || !caller.user_units.empty() || !caller.exes.empty() ||
           !caller.labels.empty() || !caller.containers.empty() || !caller.pods.empty() ||
           std::ranges::any_of(grant.filled_in, [](const std::string& name) {
             return name == "unit" || name == "user_unit" || name == "exe" || name == "label" ||
                    name == "container" || name == "pod";
           });
  });
}

}  // namespace holdfast::policy
