// Which files the core may open once it has started (Landlock).
#pragma once

#include "daemon/base/landlock.h"
#include "daemon/config/config.h"

namespace holdfast {

// Its state, to write; its configuration and what the machine's name services read, to read.
FileRules files_of_core(const config::Config& config);

}  // namespace holdfast
