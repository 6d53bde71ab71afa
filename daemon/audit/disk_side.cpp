#include "daemon/audit/disk_side.h"

#include "daemon/base/log.h"

namespace holdfast::audit {
namespace {

// Storing the head costs four fsyncs, during which requests wait: so not one for each 256 records of a
// flood, but soon after it.
constexpr std::uint64_t kHeadRecords = 256, kHeadAtMost = 4096;
constexpr std::chrono::seconds kHeadInterval{1};
// Refusals leave so much of the disk to signatures: some 50,000 records.
constexpr std::uint64_t kReserveBytes = 64 * 1024 * 1024;
constexpr std::chrono::seconds kLookForRoom{1};
constexpr std::size_t kUnsyncedAtMost =
    16 * 1024 * 1024;  // that are kept in memory until they are durable

}  // namespace

Outcome DiskSide::append(std::span<const Record> records) {
  return attempt(records.size(), [&](Outcome& outcome) {
    if (!records.empty()) outcome.first_seq = log_->append(records);
  });
}

Outcome DiskSide::store_head() {
  return attempt(0, [&](Outcome&) {
    log_->store_head();
    stored_at_ = Steady::now();
  });
}

Outcome DiskSide::publish(std::uint64_t size, std::string_view note) {
  return attempt(0, [&](Outcome&) { log_->publish(size, note); });
}

bool DiskSide::wants_head(bool idle) const {
  const std::uint64_t records = log_ ? log_->since_head() : 0;
  return records >= kHeadAtMost || (idle && records > 0) ||
         (log_ && log_->unsynced_bytes() >= kUnsyncedAtMost) ||
         (records >= kHeadRecords && Steady::now() - stored_at_ >= kHeadInterval);
}

void DiskSide::close() {
  if (log_) last_ = log_->state();
  log_.reset();
}

Outcome DiskSide::attempt(std::size_t records, const std::function<void(Outcome&)>& step) {
  Outcome outcome;
  outcome.records = records;
  if (for_good_ || (!log_ && Steady::now() < reopen_at_)) {
    outcome.failure = failure_;
    outcome.for_good = for_good_;
    return outcome;
  }
  try {
    if (!log_) open();
    look_for_room();
    step(outcome);
    outcome.size = log_->size();
    return outcome;
  } catch (const SyncFailed& error) {
    if (log_) tail_ = log_->tail();
    // What the process before wrote is known to nobody any more.
    for_good_ = !tail_;
    failure_ = error.what();
    if (for_good_) failure_ += ": restart the service then, which reads the log again";
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
  close();
  reopen_at_ = Steady::now() + kReopenAfter;
  log::error("audit_failed", {{"reason", failure_}});
  outcome.failure = failure_;
  outcome.for_good = for_good_;
  return outcome;
}

void DiskSide::look_for_room() {
  if (Steady::now() - looked_at_ < kLookForRoom) return;
  looked_at_ = Steady::now();
  scarce_ = files_.free_bytes(folder_.c_str()) < kReserveBytes;
}

void DiskSide::open() {
  log_ = Log::open(folder_, fsync_, files_, tail_ ? &*tail_ : nullptr, mirror_.get());
  if (tail_) log::warning("audit_tail_rewritten", {{"from_seq", std::to_string(tail_->first)}});
  tail_.reset();
}

}  // namespace holdfast::audit
