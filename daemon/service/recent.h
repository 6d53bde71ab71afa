// Which record belongs to a request: kept for the last 10,000, so that an administrator can ask
// what was asked, decided and why. The record itself stays in the log, its one home.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace holdfast {

// A ring, and no index beside it: every request is added, hardly one is ever looked for.
class RecentRequests {
 public:
  static constexpr std::size_t kLimit = 10'000;

  // `request_id` as RequestIds make it; of a longer one only the start would be kept.
  void add(std::string_view request_id, std::uint64_t sequence) {
    Entry entry{{}, sequence};
    request_id.copy(entry.id.data(), entry.id.size());
    if (ring_.size() < kLimit)
      ring_.push_back(entry);
    else
      ring_[next_] = entry;
    next_ = (next_ + 1) % kLimit;
  }

  std::optional<std::uint64_t> find(std::string_view request_id) const {
    Id id{};
    if (request_id.copy(id.data(), id.size()) != request_id.size()) return std::nullopt;
    const auto at = std::ranges::find(ring_, id, &Entry::id);
    return at == ring_.end() ? std::nullopt : std::optional(at->sequence);
  }

 private:
  using Id = std::array<char, 32>;
  struct Entry {
    Id id;
    std::uint64_t sequence;
  };

  std::vector<Entry> ring_;
  std::size_t next_ = 0;
};

}  // namespace holdfast
