// The value of a device's counter for the log's checkpoints: a log that was rolled back has a last checkpoint whose
// value is smaller than the device's. On the event loop's thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/clock.h"
#include "daemon/device/client.h"

namespace holdfast {

class LogAnchor {
 public:
  // NV memory wears out. What is rolled back to a checkpoint of the same hour is not found by the counter.
  static constexpr std::chrono::hours kEvery{1};

  // The newest checkpoint with a value that there is at start: it counts as the last increment.
  void resume(std::uint64_t records, SystemTime signed_at, std::uint64_t value);

  // The value for a checkpoint over so many records, to be signed next: incremented before if the last increment is
  // kEvery ago and the log has grown since. nullopt where the device has no counter or does not give it; see gap().
  // Never throws. The caller gives way to other work of the device before, as for the signature.
  boost::asio::awaitable<std::optional<std::uint64_t>> next(device::Client& device,
                                                            std::uint64_t records, SystemTime now);

  // Why a device that has a counter did not give its value; empty: it did.
  const std::string& gap() const { return gap_; }

  // That the device's counter was not where the last checkpoint before the start left it; empty: it was. To be
  // recorded before the next checkpoint is signed, which hides it.
  const std::string& surprise() const { return surprise_; }
  void surprise_is_recorded() { surprise_.clear(); }

 private:
  boost::asio::awaitable<AnchorState> ask(device::Client& device, std::uint64_t records,
                                          SystemTime now);
  bool is_due(std::uint64_t records, SystemTime now) const;
  void compare(const AnchorState& found);

  std::uint64_t records_ = 0;              // at the last increment
  std::optional<SystemTime> incremented_;  // nullopt: never
  std::optional<std::uint64_t> resumed_;   // the last checkpoint's value
  bool is_compared_ = false;               // with the device's, once
  std::string gap_, surprise_;
};

}  // namespace holdfast
