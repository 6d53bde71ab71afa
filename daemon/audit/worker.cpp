#include "daemon/audit/worker.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <optional>

#include "daemon/audit/disk_side.h"

namespace holdfast::audit {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::chrono::seconds kIdle{5};
constexpr std::chrono::milliseconds kCompany{5};

}  // namespace

struct Worker::Shared {
  Shared(std::string folder, bool fsync, Files& files, std::shared_ptr<Mirror> mirror, Reports r)
      : disk(std::move(folder), fsync, files, std::move(mirror)), reports(std::move(r)) {}

  std::mutex mutex;
  std::condition_variable wake, ended;
  std::vector<Record> records;
  std::vector<std::function<void()>> works;
  Steady::time_point appended_at{};  // by a Turn
  Steady::duration group_took{0};    // the last group's, and how many may come with the next
  std::size_t expected = 0;
  bool disk_taken = false, head_due = false;
  bool stopping = false, has_ended = false, abandoned = false;

  DiskSide disk;          // of who took it
  const Reports reports;  // called with the mutex held, so that none comes after `abandoned`

  void report(Outcome outcome) {
    const std::lock_guard lock(mutex);
    if (!abandoned) reports.outcome(std::move(outcome));
  }

  void report_work(std::exception_ptr error) {
    const std::lock_guard lock(mutex);
    if (!abandoned) reports.work_done(std::move(error));
  }

  void require(Outcome outcome) {
    if (outcome.failure.empty()) return;
    Error error(ErrorKind::audit_unavailable, outcome.failure);
    report(std::move(outcome));
    throw error;
  }

  bool has_work() const { return stopping || head_due || !records.empty() || !works.empty(); }

  void run() {
    std::vector<Record> group;
    std::vector<std::function<void()>> chores;
    for (;;) {
      group.clear();
      chores.clear();
      bool idle, last;
      {
        std::unique_lock lock(mutex);
        const bool called = wake.wait_for(lock, kIdle, [this] { return has_work(); });
        if (!called && disk_taken)
          continue;  // not idle; who has it wakes us only for what is to be done
        wake.wait(lock, [this] { return !disk_taken || abandoned; });
        if (abandoned && !disk_taken) disk.close();
        if (abandoned) return;
        if (!records.empty() && disk.syncs_each_group()) wait_for_company(lock);
        idle = !called && Steady::now() - appended_at >= kIdle;
        disk_taken = true;
        head_due = false;
        group.swap(records);
        chores.swap(works);
        last = stopping && group.empty() && chores.empty();
      }
      if (!group.empty()) append(group);
      for (const auto& chore : chores) report_work(result_of(chore));
      // Nobody may ask for a signature until health is good again.
      if (idle && disk.is_down()) report(disk.store_head());
      keep_head(idle || last);
      if (last) break;
      const std::lock_guard lock(mutex);
      disk_taken = false;
    }
    disk.close();
    const std::lock_guard lock(mutex);
    has_ended = true;
    ended.notify_all();
  }

  void append(const std::vector<Record>& group) {
    const auto begun = Steady::now();
    Outcome outcome = disk.append(group);
    const std::lock_guard lock(mutex);
    group_took = Steady::now() - begun;
    expected = group.size() + records.size();
    if (!abandoned) reports.outcome(std::move(outcome));
  }

  // Whoever was answered asks again, as a rule: waiting for them a moment makes one group, and one fsync, of two.
  void wait_for_company(std::unique_lock<std::mutex>& lock) {
    wake.wait_for(lock, std::min<Steady::duration>(group_took / 2, kCompany),
                  [this] { return records.size() >= expected || stopping || !works.empty(); });
  }

  void keep_head(bool idle) {
    if (!disk.wants_head(idle)) return;
    Outcome outcome = disk.store_head();
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

Worker::Worker(std::string folder, bool fsync, Files& files, std::shared_ptr<Mirror> mirror,
               Reports reports)
    : shared_(std::make_shared<Shared>(std::move(folder), fsync, files, std::move(mirror),
                                       std::move(reports))) {}

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

std::optional<Worker::Turn> Worker::take_turn() {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->disk.syncs_each_group() || shared_->disk_taken || shared_->has_work() ||
      shared_->disk.is_down())
    return std::nullopt;
  shared_->disk_taken = true;
  return Turn(shared_);
}

Outcome Worker::Turn::append(std::span<const Record> records) noexcept {
  return shared_->disk.append(records);
}

Worker::Turn::~Turn() {
  if (!shared_) return;  // moved from
  const bool head_due = shared_->disk.wants_head(false);
  const std::lock_guard lock(shared_->mutex);
  shared_->appended_at = Steady::now();
  shared_->head_due = head_due;
  if (shared_->abandoned) shared_->disk.close();
  shared_->disk_taken = false;
  if (shared_->has_work() || shared_->abandoned) shared_->wake.notify_one();
}

LogState Worker::state() const {
  return shared_->disk.state();
}

bool Worker::is_scarce() const {
  return shared_->disk.is_scarce();
}

LogState Worker::durable_state() {
  shared_->require(shared_->disk.store_head());
  return shared_->disk.state();
}

void Worker::publish(std::uint64_t size, std::string_view note) {
  shared_->require(shared_->disk.publish(size, note));
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
  shared_->wake.notify_one();
  lock.unlock();
  if (in_time)
    thread_.join();
  else
    thread_.detach();
  return in_time;
}

}  // namespace holdfast::audit
