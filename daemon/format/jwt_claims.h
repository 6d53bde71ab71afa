// The claims a caller gives a token, beside the registered ones.
#pragma once

#include "daemon/base/facts.h"
#include "daemon/base/json.h"

namespace holdfast::format {

// Reads the field `claims` (none if absent) and adds a fact claim.NAME for each. Throws
// Error{invalid_request}: a registered claim (RFC 7519 §4.1), an empty or overlong name, over 64 claims,
// 16 KiB or 16 levels.
json::object read_claims(Fields& fields, Facts& facts);

}  // namespace holdfast::format
