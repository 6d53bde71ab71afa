// Hands records to the disk worker in groups and resumes the request when its record is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/audit/log.h"

namespace holdfast::audit {

// Lives on the event loop's thread, with one worker thread of its own for the disk. All methods are
// for that loop's thread alone.
class Writer {
 public:
  // `patience`: how long a request waits for the disk before it is refused (its record may still be
  // written later; what is recorded and unanswered is harmless, the opposite is not).
  static std::unique_ptr<Writer> make(boost::asio::io_context& loop, const std::string& folder,
                                      bool fsync, std::chrono::milliseconds patience);
  virtual ~Writer() = default;

  // The record's sequence number, once it is durable as configured. Throws Error{audit_unavailable}
  // when the disk fails, is too slow, or failed before and can't be opened again.
  virtual boost::asio::awaitable<std::uint64_t> write(Record record) = 0;

  // Runs `work` on the disk worker and resumes when it is done; what it throws comes out here. For the
  // other thing that writes to disk, the key catalogue.
  virtual boost::asio::awaitable<void> run(std::function<void()> work) = 0;

  // Why nothing can be signed, or empty.
  virtual std::string failure() const = 0;
  virtual LogState state() const = 0;

  // Writes what waits and stops the worker.
  virtual void stop() = 0;
};

}  // namespace holdfast::audit
