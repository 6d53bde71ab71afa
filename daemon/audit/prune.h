// Takes old details away. The records stay, and every proof with them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/clock.h"

namespace holdfast::audit {

// All records before both, where both are given.
struct Age {
  std::optional<std::uint64_t> before_seq;
  std::optional<SystemTime> before_time;
};

// The segments of which every record is older, by their first records' numbers, ascending: whole ones whose details are
// still there, never the one that is being written. A segment's age is the time of the first record after it. Throws
// Error{audit_unavailable}.
std::vector<std::uint64_t> prunable(const std::string& folder, const Age& age);

// "details of the records 0 to 131071", for the record of it.
std::string describe(const std::vector<std::uint64_t>& segments);

// Removes their details, durably.
void prune(const std::string& folder, const std::vector<std::uint64_t>& segments);

}  // namespace holdfast::audit
