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
  void add(const Grant& grant, std::size_t index) {
    for (const Wanted& key : grant.keys)
      if (key.literal() == nullptr) return by_pattern_.push_back(index);
    for (const Wanted& key : grant.keys) {
      Indices& indices = by_key_[*key.literal()];
      if (indices.empty() || indices.back() != index) indices.push_back(index);
    }
  }

  // Calls visit(index) for each grant that names the key, in file order, until it returns true.
  template <class Visit>
  void visit(const std::vector<Grant>& grants, std::string_view key, const Caller& caller,
             Visit visit) const {
    static const Indices kNone;
    const auto found = by_key_.find(key);
    const Indices& exact = found == by_key_.end() ? kNone : found->second;
    auto a = exact.begin();
    auto b = by_pattern_.begin();
    while (a != exact.end() || b != by_pattern_.end()) {
      const bool pattern = a == exact.end() || (b != by_pattern_.end() && *b < *a);
      const std::size_t index = pattern ? *b++ : *a++;
      if (pattern && !names_key(grants[index], key, caller)) continue;
      if (visit(index)) return;
    }
  }

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  // By names that are given in full, and those that have a pattern among theirs; both ascending, so
  // that merged they are in file order.
  std::unordered_map<std::string, Indices, TextHash, std::equal_to<>> by_key_;
  Indices by_pattern_;
};

}  // namespace holdfast::policy
