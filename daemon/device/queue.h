// Waiting commands: callers in turn, each caller's own in order. Pure: no clock, no I/O.
#pragma once

#include <cstdint>
#include <deque>
#include <iterator>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

namespace holdfast::device {

template <class Item>
class FairQueue {
 public:
  FairQueue(std::size_t limit, std::size_t limit_per_caller)
      : limit_(limit), limit_per_caller_(limit_per_caller) {}

  bool has_room(std::uint64_t caller) const {
    const auto lane = lanes_.find(caller);
    // Who waits for nothing always may: many callers who fill the whole shut nobody out, and there are no
    // more of them than connections.
    if (lane == lanes_.end()) return true;
    return size_ < limit_ && lane->second->items.size() < limit_per_caller_;
  }

  // The bounds are has_room()'s, asked before.
  void push(std::uint64_t caller, Item item) {
    lane_of(caller).items.push_back(std::move(item));
    ++size_;
  }

  // For a command that had its turn and comes again: next in its caller's lane, whatever the bounds.
  void push_front(std::uint64_t caller, Item item) {
    lane_of(caller).items.push_front(std::move(item));
    ++size_;
  }

  // What pop() would give; nullptr where nothing waits.
  const Item* next() const { return turns_.empty() ? nullptr : &turns_.front().items.front(); }

  // The next caller's oldest; that caller then waits until each other one had its turn.
  std::optional<Item> pop() {
    if (turns_.empty()) return std::nullopt;
    const auto lane = turns_.begin();
    std::optional<Item> item(std::move(lane->items.front()));
    turns_.splice(turns_.end(), turns_, lane);
    drop_front(lane);
    return item;
  }

  // Takes out what `is_late` says of, as long as each lane's oldest is; calls `late` with each.
  template <class IsLate, class Late>
  void expire(IsLate is_late, Late late) {
    for (auto lane = turns_.begin(); lane != turns_.end();) {
      const auto next = std::next(lane);
      for (std::size_t left = lane->items.size(); left > 0 && is_late(lane->items.front());
           --left) {
        late(std::move(lane->items.front()));
        drop_front(lane);
      }
      lane = next;
    }
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  struct Lane {
    std::uint64_t caller;
    std::deque<Item> items;  // never empty
  };
  using Turns = std::list<Lane>;

  Lane& lane_of(std::uint64_t caller) {
    const auto [entry, fresh] = lanes_.try_emplace(caller);
    if (fresh) entry->second = turns_.insert(turns_.end(), Lane{caller, {}});
    return *entry->second;
  }

  void drop_front(typename Turns::iterator lane) {
    lane->items.pop_front();
    --size_;
    if (!lane->items.empty()) return;
    lanes_.erase(lane->caller);
    turns_.erase(lane);
  }

  std::size_t limit_;
  std::size_t limit_per_caller_;
  std::size_t size_ = 0;
  Turns turns_;
  std::unordered_map<std::uint64_t, typename Turns::iterator> lanes_;
};

}  // namespace holdfast::device
