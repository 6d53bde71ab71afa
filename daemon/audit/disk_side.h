// The log and its failures: when it is closed, opened again, or given up.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/audit/log.h"
#include "daemon/audit/mirror.h"
#include "daemon/audit/worker.h"

namespace holdfast::audit {

// For one thread at a time, but for is_scarce().
class DiskSide {
 public:
  DiskSide(std::string folder, bool fsync, Files& files, std::shared_ptr<Mirror> mirror)
      : folder_(std::move(folder)), fsync_(fsync), files_(files), mirror_(std::move(mirror)) {}

  // Each opens the log first if it is closed and the time for that has come, and says what became of it.
  Outcome append(std::span<const Record> records);
  Outcome store_head();
  Outcome publish(std::uint64_t size, std::string_view note);

  bool wants_head(bool idle) const;
  bool is_down() const { return !log_ && !for_good_; }  // opening it again may help
  bool is_scarce() const { return scarce_; }            // little room on the disk; any thread
  bool syncs_each_group() const { return fsync_; }
  LogState state() const { return log_ ? log_->state() : last_; }
  void close();

 private:
  using Steady = std::chrono::steady_clock;

  Outcome attempt(std::size_t records, const std::function<void(Outcome&)>& step);
  void open();
  void look_for_room();

  const std::string folder_;
  const bool fsync_;
  Files& files_;
  const std::shared_ptr<Mirror> mirror_;
  std::optional<Tail> tail_;  // of the log whose fsync failed
  std::unique_ptr<Log> log_;
  LogState last_;  // while there is no log_
  Steady::time_point stored_at_ = Steady::now();
  std::atomic<bool> scarce_ = false;
  Steady::time_point looked_at_{};
  Steady::time_point reopen_at_{};
  std::string failure_;
  bool for_good_ = false;
};

}  // namespace holdfast::audit
