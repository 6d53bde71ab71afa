// The text of a C2SP checkpoint (https://c2sp.org/tlog-checkpoint): origin, size, root. It has no
// signature yet: it detects accident, not an attacker who rewrites log and checkpoint together.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/audit/log.h"

namespace holdfast::audit {

std::string to_text(const LogState& state);

// Strict: the origin and exactly three lines, or nullopt.
std::optional<LogState> parse_checkpoint(std::string_view text);

// The stored one; nullopt if there is none. Throws Error{audit_unavailable} if it can't be read or
// is none.
std::optional<LogState> read_checkpoint(const std::string& folder);

}  // namespace holdfast::audit
