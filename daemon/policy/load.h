// From TOML to grants.
#pragma once

#include <vector>

#include "daemon/policy/grant.h"

namespace holdfast::policy {

// The grants of all sources in order. Throws Error{invalid_request} with file, line and what to do.
std::vector<Grant> read_grants(const std::vector<Source>& sources);

}  // namespace holdfast::policy
