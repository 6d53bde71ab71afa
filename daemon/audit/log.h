// The append-only Merkle log on disk. docs/audit.md describes the files.
//
// Blocking; used by one thread at a time. After the first failure nothing
// is appended until the log was opened, and so verified, again. One process has a log open at a
// time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "daemon/audit/files.h"
#include "daemon/audit/record.h"
#include "daemon/base/bytes.h"
#include "daemon/base/error.h"

namespace holdfast::audit {

class Mirror;

inline constexpr std::size_t kMostCheckpoints = 1000;

struct LogState {
  std::uint64_t size = 0;  // records; the next one's sequence number
  std::string root;        // base64 RFC 6962 tree hash
};

// fsync failed: what is on the disk is unknown, and a second fsync would report success for pages
// that were thrown away. Only the log's tail() helps.
class SyncFailed : public Error {
 public:
  using Error::Error;
};

// What was appended since the last fsync that succeeded, kept in memory: written to new files it is as good as new.
struct Tail {
  LogState whole;           // the log with it
  std::uint64_t first = 0;  // sequence number
  std::string leaves, details;
};

class Log {
 public:
  // Opens or makes the log in `folder` (0700): drops a torn last line (that was never answered),
  // verifies the last segment and everything behind the last head line by line and the rest
  // by its tiles' roots, and compares with the head. Waits up to two seconds for the process
  // that still has it open. Throws Error{audit_unavailable} with what to do; SyncFailed.
  // With the `tail` of a log whose fsync failed its last segment is written anew, to new files: what was durable, then
  // the tail; and the log has to be the tail's `whole` then. `mirror`, which may be null, outlives the log.
  static std::unique_ptr<Log> open(const std::string& folder, bool fsync,
                                   Files& files = system_files(), const Tail* tail = nullptr,
                                   Mirror* mirror = nullptr);
  virtual ~Log() = default;  // writes nothing: store_head() first

  // Writes all records, in order, with one write a file (and one fsync each, if so configured).
  // Returns the first one's sequence number. Throws Error{audit_unavailable} or SyncFailed; then
  // none may be answered for.
  virtual std::uint64_t append(std::span<const Record> records) = 0;

  // Makes everything durable, then stores size and root: what a later reader can hold the log
  // against. Throws as append does.
  virtual void store_head() = 0;
  virtual std::uint64_t since_head() const = 0;  // records
  virtual std::size_t unsynced_bytes() const = 0;

  // Stores a signed checkpoint of a state that store_head() made durable: as `checkpoint`, and under its size beside
  // the last kMostCheckpoints. Throws as append does.
  virtual void publish(std::uint64_t size, std::string_view note) = 0;

  virtual Tail tail() const = 0;

  virtual std::uint64_t size() const = 0;  // records
  virtual LogState state() const = 0;      // hashes as often as the size has bits
};

}  // namespace holdfast::audit
