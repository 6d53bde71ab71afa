// A certificate's subject as it is typed on a command line.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/json.h"

namespace holdfast::cli {

// "CN=orders,O=Example" (RFC 4514: the most particular first, `\` before a comma that belongs to a value) as
// the protocol's [["O","Example"],["CN","orders"]]. Which types there may be is the daemon's to judge. Throws
// Failure{usage}.
json::array read_subject(std::string_view text);

}  // namespace holdfast::cli
