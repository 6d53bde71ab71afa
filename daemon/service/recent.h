// Which record belongs to a request: kept for the last 10,000, so that an administrator can ask
// what was asked, decided and why. The record itself stays in the log, its one home.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

namespace holdfast {

class RecentRequests {
 public:
  static constexpr std::size_t kLimit = 10'000;

  void add(std::string request_id, std::uint64_t sequence) {
    if (order_.size() == kLimit) {
      sequences_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(request_id);
    sequences_.insert_or_assign(std::move(request_id), sequence);
  }

  std::optional<std::uint64_t> find(const std::string& request_id) const {
    const auto at = sequences_.find(request_id);
    return at == sequences_.end() ? std::nullopt : std::optional(at->second);
  }

 private:
  std::deque<std::string> order_;
  std::unordered_map<std::string, std::uint64_t> sequences_;
};

}  // namespace holdfast
