// The reading side: `audit tail`, `audit verify`, GET /v1/audit. Needs no running daemon.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/audit/log.h"
#include "daemon/base/json.h"

namespace holdfast::audit {

// Records after sequence `after` (-1: from the first), at most `limit`: the leaf's fields and, where
// they were not pruned, "details". Throws Error{audit_unavailable} if the files can't be read.
std::vector<json::object> read(const std::string& folder, std::int64_t after, std::size_t limit);

struct Verdict {
  bool good = false;
  LogState state;
  std::uint64_t details_checked = 0;
  std::uint64_t details_pruned = 0;
  std::string horizon;              // what this proves, and what it can't
  std::vector<std::string> faults;  // each names file, line and what is wrong
};

// Recomputes every leaf, tile, root and details hash and compares them with the stored ones and with
// the last checkpoint.
Verdict verify(const std::string& folder);

}  // namespace holdfast::audit
