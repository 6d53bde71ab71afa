// The reading side: `audit tail`, `audit verify`, GET /v1/audit. Needs no running daemon and
// disturbs none: a log that is being written to reads as it was at some moment. Blocking; any
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/audit/log.h"
#include "daemon/base/clock.h"
#include "daemon/base/json.h"

namespace holdfast::audit {

// Records after sequence `after` (-1: from the first), at most `limit`: the leaf's fields and,
// where they were not pruned or lost, "details". Reads the segments it needs from their beginning.
// Throws Error{audit_unavailable} if the files can't be read, or a line is none of ours.
std::vector<json::object> read(const std::string& folder, std::int64_t after, std::size_t limit);

// How many records there are, by counting the last segment's lines: for the last n, read after
// count - n - 1. Throws Error{audit_unavailable}.
std::uint64_t count(const std::string& folder);

// When the last record was made; nullopt for a log without any. Reads the last segment. Throws
// Error{audit_unavailable}.
std::optional<SystemTime> last_time(const std::string& folder);

// When the first record of the segment was made; nullopt if it holds none.
std::optional<SystemTime> first_time(const std::string& folder, std::uint64_t first);

struct Verdict {
  bool good = false;
  LogState state;  // as recomputed
  std::uint64_t details_checked = 0;
  std::uint64_t details_pruned = 0;
  std::uint64_t details_lost = 0;   // to a power cut; the line in their place says so
  std::uint64_t signed_size = 0;    // records that a checkpoint signed by a given key covers
  std::string horizon;              // what this proves, and what it can't
  std::vector<std::string> faults;  // each names file, line and what is wrong; at most 100
};

// Called now and then with the records read so far and those expected.
using Progress = std::function<void(std::uint64_t done, std::uint64_t expected)>;

struct VerifyOptions {
  std::vector<Bytes> keys;         // DER SubjectPublicKeyInfo; none: signatures are not checked
  std::vector<std::string> saved;  // checkpoints that were kept elsewhere
  std::optional<std::uint64_t> anchor;  // what the device's counter says now
};

// Recomputes every leaf, tile, root and details hash and compares them with the stored ones, with the log's head and
// with each checkpoint. What is wrong is a fault, not an exception; one that leaves nothing to
// compare with (a line missing among the records) ends the search. Throws Error{audit_unavailable}
// only if there is no log in `folder` or the disk fails.
Verdict verify(const std::string& folder, const VerifyOptions& options = {},
               const Progress& progress = {});

}  // namespace holdfast::audit
