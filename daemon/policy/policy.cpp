#include "daemon/policy/policy.h"

#include <algorithm>
#include <unordered_map>

#include "daemon/base/log.h"
#include "daemon/base/openssl.h"
#include "daemon/policy/index.h"
#include "daemon/policy/judge.h"
#include "daemon/policy/load.h"

namespace holdfast::policy {
namespace {

constexpr std::size_t kNearest = 3;
constexpr std::size_t kMostJudged = 256;  // for a reason: whoever is denied may ask again and again
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
  KeyIndex allowing, denying;
  // By something that a grant's caller must have, so that 10,000 grants for others cost nothing.
  // Those that allow alone.
  std::unordered_map<std::int64_t, Indices> by_uid;
  std::unordered_map<std::int64_t, Indices> by_gid;
  std::unordered_map<std::string, Indices> by_unit;
  Indices by_other;
  Indices with_digest;  // those that name the digest of an executable

  explicit Rules(std::vector<Grant> read) : grants(std::move(read)) {
    for (std::size_t i = 0; i < grants.size(); ++i) {
      const bool denies = grants[i].effect == Effect::deny;
      (denies ? denying : allowing).add(grants[i], i);
      if (!denies) add_caller(i);
      if (!grants[i].caller.exe_digests.empty()) with_digest.push_back(i);
    }
  }

  void add_caller(std::size_t i) {
    const CallerRule& rule = grants[i].caller;
    const auto single = [](const Range& range) { return range.low == range.high; };
    const auto& uids = rule.users.empty() ? rule.uids : rule.users;
    const auto& gids = rule.groups.empty() ? rule.gids : rule.groups;
    if (!uids.empty() && std::ranges::all_of(uids, single)) {
      for (const Range& uid : uids) by_uid[uid.low].push_back(i);
    } else if (!gids.empty() && std::ranges::all_of(gids, single)) {
      for (const Range& gid : gids) by_gid[gid.low].push_back(i);
    } else if (rule.unit && !rule.unit->is.empty() &&
               std::ranges::all_of(rule.unit->is, &Wanted::literal)) {
      for (const Wanted& unit : rule.unit->is) by_unit[*unit.literal()].push_back(i);
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

  // Those that allow and name the key.
  template <class Visit>
  void for_key(const Question& question, KeyIndex::Of of, Visit visit) const {
    allowing.visit(grants, question.key, question.caller, of, visit);
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
  const std::vector<Grant>& grants = rules_->grants;
  rules_->for_key(question, KeyIndex::Of::caller, [&](std::size_t index) {
    if (!answers(grants[index], question)) return false;
    decision.allowed = true;
    decision.grant = index;
    return true;
  });
  if (!decision.allowed) {
    decision.reason = reason(question);
    return decision;
  }
  const Grant& allowing = grants[decision.grant];
  rules_->denying.visit(
      grants, question.key, question.caller, KeyIndex::Of::caller, [&](std::size_t index) {
        if (!answers(grants[index], question, &allowing)) return false;
        decision = {false, true, index, denial(grants[index], question, allowing)};
        return true;
      });
  return decision;
}

std::string Policy::denial(const Grant& grant, const Question& question, const Grant& allowing) {
  std::string text = "\"" + grant.name + "\" (" + grant.where + ") denies it";
  const std::vector<Finding> all = findings(grant, question, &allowing);
  for (std::size_t i = 0; i < all.size() && i < kShownObjections; ++i)
    text.append(i == 0 ? ": " : ", and ").append(all[i].text);
  return text;
}

std::string Policy::reason(const Question& question) const {
  struct Near {
    std::size_t grant;
    std::size_t distance;
  };
  std::vector<Near> nearest;
  std::size_t count = 0;
  rules_->for_key(question, KeyIndex::Of::all, [&](std::size_t index) {
    if (++count > kMostJudged) return false;
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
    std::vector<Finding> all = findings(grant, question);
    std::erase_if(all, &Finding::fits);
    for (std::size_t i = 0; i < all.size() && i < kShownObjections; ++i)
      text.append(i == 0 ? "" : ", and ").append(all[i].text);
    if (all.size() > kShownObjections)
      text.append(", and ").append(std::to_string(all.size() - kShownObjections)).append(" more");
  }
  return text;
}

std::vector<Explanation> Policy::explain(const Question& question) const {
  const std::vector<Grant>& grants = rules_->grants;
  std::vector<Explanation> all;
  const Grant* allowing = nullptr;
  const auto add = [&](std::size_t index) {
    const Grant& grant = grants[index];
    Explanation one{index, grant.effect == Effect::deny, false,
                    findings(grant, question, allowing)};
    one.takes_effect = std::ranges::all_of(one.findings, &Finding::fits);
    if (one.takes_effect && !one.denies && allowing == nullptr) allowing = &grant;
    all.push_back(std::move(one));
    return false;
  };
  rules_->for_key(question, KeyIndex::Of::all, add);
  rules_->denying.visit(grants, question.key, question.caller, KeyIndex::Of::all, add);
  std::ranges::sort(all, {}, &Explanation::grant);
  return all;
}

bool Policy::names(const Caller& caller, std::string_view key) const {
  const std::vector<Grant>& grants = rules_->grants;
  bool found = false;
  rules_->allowing.visit(grants, key, caller, KeyIndex::Of::caller,
                         [&](std::size_t i) { return found = admits(grants[i], caller); });
  if (found)
    rules_->denying.visit(grants, key, caller, KeyIndex::Of::caller, [&](std::size_t i) {
      const Grant& grant = grants[i];
      const bool denies_all = grant.facts.empty() && !grant.when && admits(grant, caller);
      found = !denies_all;
      return denies_all;
    });
  return found;
}

bool Policy::may_name(const Caller& caller) const {
  const Rules& rules = *rules_;
  return rules.any_admits(rules.by_uid, std::int64_t{caller.uid}, caller) ||
         rules.any_admits(rules.by_gid, std::int64_t{caller.gid}, caller) ||
         std::ranges::any_of(caller.groups,
                             [&](gid_t gid) {
                               return rules.any_admits(rules.by_gid, std::int64_t{gid}, caller);
                             }) ||
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
    if (grant.effect == Effect::allow && admits(grant, caller)) names.push_back(grant.name);
  return names;
}

std::size_t Policy::size() const {
  return rules_->grants.size();
}
const std::string& Policy::grant_name(std::size_t i) const {
  return rules_->grants.at(i).name;
}
const std::string& Policy::grant_place(std::size_t i) const {
  return rules_->grants.at(i).where;
}
const Limits& Policy::limits(std::size_t i) const {
  return rules_->grants.at(i).limits;
}

std::map<std::string, std::string> Policy::forced(std::size_t grant, const Caller& caller) const {
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : rules_->grants.at(grant).set)
    values.emplace(name, value.fill(caller));
  return values;
}

bool Policy::needs_process_identity() const {
  const auto of_process = [](const std::string& name) {
    return name == "unit" || name == "user_unit" || name == "exe" || name == "label" ||
           name == "container" || name == "pod";
  };
  const auto fills_in = [&](const std::vector<Wanted>& list) {
    return std::ranges::any_of(list, [&](const Wanted& wanted) {
      return std::ranges::any_of(wanted.attributes(), of_process);
    });
  };
  return std::ranges::any_of(rules_->grants, [&](const Grant& grant) {
    const CallerRule& caller = grant.caller;
    return caller.unit || caller.user_unit || caller.exe || caller.label || caller.container ||
           caller.pod || std::ranges::any_of(grant.filled_in, of_process) || fills_in(grant.keys) ||
           std::ranges::any_of(grant.facts, [&](const FactRule& rule) {
             return fills_in(rule.condition.is) || fills_in(rule.condition.is_not);
           });
  });
}

}  // namespace holdfast::policy
