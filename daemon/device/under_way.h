// The commands that a device process has and has not answered: which more it may have, and which are late. Pure:
// no clock, no I/O.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "daemon/device/pending.h"

namespace holdfast::device {

class UnderWay {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // What the device says of itself: how many commands it wants at hand, and does at once.
  void describe(const DeviceDescription& device, Time now);

  bool empty() const { return commands_.empty(); }
  bool takes(const Kind& next) const;
  void add(Pending pending, Time now);

  // The one that is answered. Throws Error{internal} where there is none, or it expects another answer.
  Pending take(std::uint64_t id, const Answer& answer, Time now);
  std::deque<Pending> take_all();  // oldest first

  // Whether the device is at one for longer than that may take.
  bool is_overdue(Time now) const;

  // Those that the device is not at yet.
  template <class Visit>
  void each_behind(Visit visit) {
    for (std::size_t i = at_work(); i < commands_.size(); ++i) visit(commands_[i]);
  }

 private:
  std::size_t at_work() const;
  void begin(Time now);

  std::size_t most_ = 1;
  std::size_t parallel_ = 1;
  std::deque<Pending> commands_;  // oldest first
};

}  // namespace holdfast::device
