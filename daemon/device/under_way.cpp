#include "daemon/device/under_way.h"

#include <algorithm>
#include <utility>

#include "daemon/base/error.h"

namespace holdfast::device {
namespace {

constexpr std::uint32_t kMost = 64;

}  // namespace

void UnderWay::describe(const DeviceDescription& device, Time now) {
  most_ = std::clamp(device.commands_in_flight, 1U, kMost);
  parallel_ = std::max(device.parallel, 1U);
  begin(now);
}

// Where several are done at once, what has to be alone waits outside and not in the process: its deadline would
// run meanwhile, and that of those behind it.
bool UnderWay::takes(const Kind& next) const {
  if (commands_.size() >= most_) return false;
  if (parallel_ == 1 || commands_.empty()) return true;
  return !next.alone && !commands_.front().kind.alone;
}

void UnderWay::add(Pending pending, Time now) {
  commands_.push_back(std::move(pending));
  begin(now);
}

Pending UnderWay::take(std::uint64_t id, const Answer& answer, Time now) {
  const auto found = std::find_if(commands_.begin(), commands_.end(),
                                  [id](const Pending& pending) { return pending.id == id; });
  if (found == commands_.end()) throw Error(ErrorKind::internal, "an answer to no command");
  if (!std::holds_alternative<Failure>(answer) && answer.index() != found->kind.expects)
    throw Error(ErrorKind::internal, "an answer to another command");
  Pending pending = std::move(*found);
  commands_.erase(found);
  begin(now);
  return pending;
}

std::deque<Pending> UnderWay::take_all() {
  return std::exchange(commands_, {});
}

bool UnderWay::is_overdue(Time now) const {
  return std::any_of(
      commands_.begin(), commands_.begin() + static_cast<std::ptrdiff_t>(at_work()),
      [now](const Pending& pending) { return now - pending.begun > pending.kind.deadline; });
}

// The device is at the first `parallel_`, the others wait for it.
std::size_t UnderWay::at_work() const {
  return std::min(parallel_, commands_.size());
}

void UnderWay::begin(Time now) {
  for (std::size_t i = 0; i < at_work(); ++i)
    if (commands_[i].begun == Time()) commands_[i].begun = now;
}

}  // namespace holdfast::device
