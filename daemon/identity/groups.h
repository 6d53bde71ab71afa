// A number for each user's slice, unit and container: many uids of one take turns as one caller.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace holdfast::identity {

class Groups {
 public:
  // Greater than every uid, and the same for the same name, until 65,536 others were seen: containers come and go.
  std::uint64_t number_of(const std::string& group) {
    if (numbers_.size() >= kMost && !numbers_.contains(group)) numbers_.clear();
    const auto [entry, fresh] = numbers_.try_emplace(group, next_);
    if (fresh) ++next_;
    return entry->second;
  }

 private:
  static constexpr std::size_t kMost = 65'536;
  std::uint64_t next_ = std::uint64_t{1} << 32;
  std::unordered_map<std::string, std::uint64_t> numbers_;
};

}  // namespace holdfast::identity
