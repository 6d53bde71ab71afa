#include "daemon/audit/worker.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>

#include "daemon/base/log.h"

namespace holdfast::audit {
namespace {

using Steady = std::chrono::steady_clock;

// A checkpoint costs four fsyncs, during which requests wait: so not one for each 256 records of a
// flood, but soon after it.
constexpr std::uint64_t kCheckpointRecords = 256, kCheckpointAtMost = 4096;
constexpr std::chrono::seconds kCheckpointInterval{1}, kIdle{5};

// The log and its failures; on the worker's thread after open().
class DiskSide {
 public:
  DiskSide(std::string folder, bool fsync, Files& files)
      : folder_(std::move(folder)), fsync_(fsync), files_(files) {}

  // Appends the group and says what became of it.
  Outcome append(std::span<const Record> records) {
    return attempt(records.size(), [&](Outcome& outcome) {
      if (!records.empty()) outcome.first_seq = log_->append(records);
      outcome.state = log_->state();
    });
  }

  bool wants_checkpoint(bool idle) const {
    const std::uint64_t records = log_ ? log_->since_checkpoint() : 0;
    return records >= kCheckpointAtMost || (idle && records > 0) ||
           (records >= kCheckpointRecords && Steady::now() - checkpointed_ >= kCheckpointInterval);
  }

  Outcome checkpoint() {
    return attempt(0, [&](Outcome& outcome) {
      log_->checkpoint();
      checkpointed_ = Steady::now();
      outcome.state = log_->state();
    });
  }

  // True where opening the log again may help.
  bool is_down() const { return !log_ && !for_good_; }

  void close() { log_.reset(); }

 private:
  template <class Step>
  Outcome attempt(std::size_t records, Step step) {
    Outcome outcome;
    outcome.records = records;
    if (for_good_ || (!log_ && Steady::now() < reopen_at_)) {
      outcome.failure = failure_;
      outcome.for_good = for_good_;
      return outcome;
    }
    try {
      if (!log_) log_ = Log::open(folder_, fsync_, files_);
      step(outcome);
      return outcome;
    } catch (const SyncFailed& error) {
      for_good_ = true;
      failure_ = error.what();
    } catch (const std::exception& error) {
      failure_ = error.what();
    }
    log_.reset();
    reopen_at_ = Steady::now() + kReopenAfter;
    log::error("audit_failed", {{"reason", failure_}});
    outcome.failure = failure_;
    outcome.for_good = for_good_;
    return outcome;
  }

  const std::string folder_;
  const bool fsync_;
  Files& files_;
  std::unique_ptr<Log> log_;
  Steady::time_point checkpointed_ = Steady::now();
  Steady::time_point reopen_at_{};
  std::string failure_;
  bool for_good_ = false;
};

}  // namespace

struct Worker::Shared {
  Shared(std::string folder, bool fsync, Files& files, Reports r)
      : disk(std::move(folder), fsync, files), reports(std::move(r)) {}

  std::mutex mutex;
  std::condition_variable wake, ended;
  std::vector<Record> records;
  std::vector<std::function<void()>> works;
  bool stopping = false, has_ended = false, abandoned = false;

  DiskSide disk;          // the worker's own
  const Reports reports;  // called with the mutex held, so that none comes after `abandoned`

  void report(Outcome outcome) {
    const std::lock_guard lock(mutex);
    if (!abandoned) reports.outcome(std::move(outcome));
  }

  void report_work(std::exception_ptr error) {
    const std::lock_guard lock(mutex);
    if (!abandoned) reports.work_done(std::move(error));
  }

  void run() {
    std::vector<Record> group;
    std::vector<std::function<void()>> chores;
    for (;;) {
      group.clear();
      chores.clear();
      bool idle, last;
      {
        std::unique_lock lock(mutex);
        idle = !wake.wait_for(lock, kIdle,
                              [&] { return stopping || !records.empty() || !works.empty(); });
        group.swap(records);
        chores.swap(works);
        if (abandoned) return disk.close();
        last = stopping && group.empty() && chores.empty();
      }
      if (last) break;
      if (!group.empty()) report(disk.append(group));
      for (const auto& chore : chores) report_work(result_of(chore));
      // Nobody may ask for a signature until health is good again.
      if (idle && disk.is_down()) report(disk.checkpoint());
      store_checkpoint(idle);
    }
    store_checkpoint(true);
    disk.close();
    const std::lock_guard lock(mutex);
    has_ended = true;
    ended.notify_all();
  }

  void store_checkpoint(bool idle) {
    if (!disk.wants_checkpoint(idle)) return;
    Outcome outcome = disk.checkpoint();
    if (!outcome.failure.empty()) report(std::move(outcome));
  }

  static std::exception_ptr result_of(const std::function<void()>& chore) {
    try {
      chore();
      return nullptr;
    } catch (...) {
      return std::current_exception();
    }
  }
};

Worker::Worker(std::string folder, bool fsync, Files& files, Reports reports)
    : shared_(std::make_shared<Shared>(std::move(folder), fsync, files, std::move(reports))) {}

Worker::~Worker() {
  if (thread_.joinable()) stop(std::chrono::milliseconds(0));
}

Outcome Worker::open() {
  return shared_->disk.append({});
}

void Worker::start() {
  // Signals belong to the loop's thread; this one inherits a mask that blocks them.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([shared = shared_] { shared->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread_.native_handle(), "audit");
}

void Worker::submit(std::vector<Record> records) {
  {
    const std::lock_guard lock(shared_->mutex);
    std::ranges::move(records, std::back_inserter(shared_->records));
  }
  shared_->wake.notify_one();
}

void Worker::submit(std::function<void()> work) {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->works.push_back(std::move(work));
  }
  shared_->wake.notify_one();
}

bool Worker::stop(std::chrono::milliseconds patience) {
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->wake.notify_one();
  const bool in_time = shared_->ended.wait_for(lock, patience, [&] { return shared_->has_ended; });
  shared_->abandoned = !in_time;
  lock.unlock();
  if (in_time)
    thread_.join();
  else
    thread_.detach();
  return in_time;
}

}  // namespace holdfast::audit
