// Writes records in groups and resumes each request when its record is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/audit/log.h"
#include "daemon/base/loop.h"

namespace holdfast::audit {

// Every method, and the destructor, is for the loop's thread alone. Records that only have to be written are
// written there (Loop::block), while the disk is free: into memory of the kernel, as a rule. What waits for
// the disk itself, an fsync, the head, and other work, is done by a worker thread, and the records that
// come meanwhile after it, as one group.
//
// Failures: after a failed write the log is closed and, with the next request at least a second
// later or after five seconds without one, opened and so verified again. After a failed fsync so, too, once
// what was not durable has been written to new files; no file is synced a second time (threat row 9). A log that
// can't be opened at start is a failed write, unless it was an fsync that failed: then nothing is written until an
// operator restarted the process.
class Writer {
 public:
  // `patience`: how long a request waits for the disk before it is refused (its record may still be
  // written later; what is recorded and unanswered is harmless, the opposite is not). Opens the log
  // before it returns; see failure() for how that went. `files` outlives the worker, which may
  // outlive the Writer when the disk is dead.
  static std::unique_ptr<Writer> make(Loop& loop, const std::string& folder, bool fsync,
                                      std::chrono::milliseconds patience,
                                      Files& files = system_files(),
                                      std::shared_ptr<Mirror> mirror = nullptr);
  virtual ~Writer() = default;  // stops

  // The record's sequence number, once it is durable as configured. Throws Error{audit_unavailable}
  // when the disk fails, is too slow, or failed before and can't be opened again; at once where it
  // is known to, or 8,192 records wait. Can't be cancelled: it ends within `patience` and a tenth
  // of a second. With `patient` it ends when the disk lets it, or stop() gives up; so it is known whether
  // the record may still be written.
  virtual boost::asio::awaitable<std::uint64_t> write(Record record, bool patient = false) = 0;

  // Runs `work` on the disk worker, between groups, and resumes when it is done; what it throws
  // comes out here. For the other thing that writes to disk, the key catalogue. Throws
  // Error{overloaded} where 256 wait or the writer was stopped. There is no patience: the work ends
  // when the disk lets it.
  virtual boost::asio::awaitable<void> run(std::function<void()> work) = 0;

  // Why nothing can be signed, or empty.
  virtual std::string failure() const = 0;
  // Little room is left, on the disk or in the queue: it is for signatures; refusals should be counted instead.
  virtual bool is_scarce() const = 0;
  // Records, as of the last group that was answered.
  virtual std::uint64_t size() const = 0;
  // With the root, as of the last record that was written. Throws as run() does.
  virtual boost::asio::awaitable<LogState> state() = 0;

  // The same, durable and noted so: what a checkpoint may cover. Throws as run() does, and
  // Error{audit_unavailable}.
  virtual boost::asio::awaitable<LogState> durable_state() = 0;
  // Log::publish. Throws so, too.
  virtual boost::asio::awaitable<void> publish(std::uint64_t size, std::string note) = 0;

  // Blocks: writes what waits, stores the head and ends the worker. A disk that does not come
  // back within five seconds (or `patience`, if longer) is given up: what waits is refused, and the
  // worker is left to the end of the process. Write nothing afterwards.
  virtual void stop() = 0;
};

}  // namespace holdfast::audit
