// The thread that waits for the disk, so that the event loop does not.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "daemon/audit/log.h"

namespace holdfast::audit {

// What became of the oldest `records` records that were submitted and not yet reported.
struct Outcome {
  std::size_t records = 0;
  std::uint64_t first_seq = 0, size = 0;  // of the records, of the log: where failure is empty
  std::string failure;
  bool for_good = false;  // until the process is restarted
};

inline constexpr std::chrono::seconds kReopenAfter{1};

// Submitting is for one thread. Reports come on the worker's thread, in the order of submission,
// and none after abandon().
class Worker {
  struct Shared;

 public:
  struct Reports {
    std::function<void(Outcome)> outcome;
    std::function<void(std::exception_ptr)> work_done;
  };

  Worker(std::string folder, bool fsync, Files& files, std::shared_ptr<Mirror> mirror,
         Reports reports);
  ~Worker();  // abandons what still runs

  Outcome open();  // on the caller's thread, before start()
  void start();

  void submit(std::vector<Record> records);
  void submit(std::function<void()> work);

  // The disk, while the worker leaves it alone: to append one group, on the caller's thread, which may outlive
  // the Worker. Its end gives the disk back; the outcome has to be queued by then, or one of the worker's could
  // overtake it.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    Turn(Turn&&) = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn();
    Outcome append(std::span<const Record> records) noexcept;  // once

   private:
    std::shared_ptr<Shared> shared_;
  };
  // Nothing while the worker has something to do or the log is not open, and where each group costs an fsync.
  std::optional<Turn> take_turn();

  bool is_scarce()
      const;  // little room on the disk, as of the last second in which something was written

  // For submitted work. The state is as of the last record appended; the latter two throw
  // Error{audit_unavailable}, which is reported as a failed group is.
  LogState state() const;
  LogState durable_state();
  void publish(std::uint64_t size, std::string_view note);

  // Drains, stores the head, ends. False if that took longer than `patience`: the thread is
  // then left behind and reports nothing.
  bool stop(std::chrono::milliseconds patience);

 private:
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace holdfast::audit
