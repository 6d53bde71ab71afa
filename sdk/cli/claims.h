// The claims of a token as they are typed on a command line.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/json.h"

namespace holdfast::cli {

// `values`: "name=JSON"; `texts`: "name=text". Which claims there may be is the daemon's to judge.
// Throws Failure{usage} for what is no claim, no JSON, or a name that is given twice.
json::object read_claims(const std::vector<std::string>& values,
                         const std::vector<std::string>& texts);

}  // namespace holdfast::cli
