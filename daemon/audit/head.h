// The log's own note of how far it is on the disk: origin, size, root. It is not signed, and is what a start holds
// the files against; what others can hold them against is a signed checkpoint.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/audit/log.h"

namespace holdfast::audit {

std::string to_text(const LogState& state);

// Strict: exactly these three lines, or nullopt.
std::optional<LogState> parse_head(std::string_view text);

// The stored one; nullopt if there is none. Throws Error{audit_unavailable} if it can't be read or
// is none.
std::optional<LogState> read_head(const std::string& folder);

}  // namespace holdfast::audit
