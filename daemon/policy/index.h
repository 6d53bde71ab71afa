// Grants by the keys that they name, so that 10,000 for other keys cost nothing.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/policy/judge.h"

namespace holdfast::policy {

using Indices = std::vector<std::size_t>;

class KeyIndex {
 public:
  // Of whom: grants that are for one other uid are of no use to a decision, and looking at each of
  // them costs more than all the rest. An explanation wants them too.
  enum class Of : std::uint8_t { all, caller };

  void add(const Grant& grant, std::size_t index) {
    const Entry entry{index, only_uid(grant.caller)};
    for (const Wanted& key : grant.keys)
      if (key.literal() == nullptr) return by_pattern_.push_back(entry);
    for (const Wanted& key : grant.keys) {
      Entries& entries = by_key_[*key.literal()];
      if (entries.empty() || entries.back().index != index) entries.push_back(entry);
    }
  }

  // Calls visit(index) for each grant that names the key, in file order, until it returns true.
  template <class Visit>
  void visit(const std::vector<Grant>& grants, std::string_view key, const Caller& caller, Of of,
             Visit visit) const {
    static const Entries kNone;
    const auto found = by_key_.find(key);
    const Entries& exact = found == by_key_.end() ? kNone : found->second;
    auto a = exact.begin();
    auto b = by_pattern_.begin();
    while (a != exact.end() || b != by_pattern_.end()) {
      const bool pattern = a == exact.end() || (b != by_pattern_.end() && b->index < a->index);
      const Entry& entry = pattern ? *b++ : *a++;
      if (of == Of::caller && entry.uid != kAnyUid && entry.uid != std::int64_t{caller.uid})
        continue;
      if (pattern && !names_key(grants[entry.index], key, caller)) continue;
      if (visit(entry.index)) return;
    }
  }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  static constexpr std::int64_t kAnyUid = -1;
  struct Entry {
    std::size_t index;
    std::int64_t uid;  // the only one it is for
  };
  using Entries = std::vector<Entry>;

  static std::int64_t only_uid(const CallerRule& rule) {
    for (const auto* uids : {&rule.users, &rule.uids})
      if (uids->size() == 1 && uids->front().low == uids->front().high) return uids->front().low;
    return kAnyUid;
  }

  // By names that are given in full, and those that have a pattern among theirs; both ascending, so
  // that merged they are in file order.
  std::unordered_map<std::string, Entries, TextHash, std::equal_to<>> by_key_;
  Entries by_pattern_;
};

}  // namespace holdfast::policy
