// The append-only Merkle log on disk. docs/architecture.md describes the files.
//
// Blocking; used by one thread at a time (the core's disk worker). After the first failure nothing is
// appended until the log was opened, and so verified, again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "daemon/audit/record.h"
#include "daemon/base/bytes.h"

namespace holdfast::audit {

struct LogState {
  std::uint64_t size = 0;  // records; the next one's sequence number
  std::string root;        // base64 RFC 6962 tree hash
};

class Log {
 public:
  // Opens or makes the log in `folder`: recovers a torn last line (that was never answered),
  // verifies the rest against the stored tiles. Throws Error{audit_unavailable} with what to do.
  static std::unique_ptr<Log> open(const std::string& folder, bool fsync);
  virtual ~Log() = default;

  // Writes all records, in order, with one write a file (and one fsync each, if so configured).
  // Returns the first one's sequence number. Throws Error{audit_unavailable}; then none may be
  // answered for.
  virtual std::uint64_t append(std::span<const Record> records) = 0;

  virtual LogState state() const = 0;
};

}  // namespace holdfast::audit
