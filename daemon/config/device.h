// One [[device]] of the configuration.
#pragma once

#include <set>
#include <string>

#include "daemon/config/config.h"
#include "daemon/config/table.h"

namespace holdfast::config {

// `names` are those taken so far. Throws Error{invalid_request} as Table does.
Device read_device(Table& table, std::set<std::string>& names);

}  // namespace holdfast::config
