// What is asked of the stored log itself, without the daemon.
#pragma once

#include "daemon/base/json.h"
#include "sdk/cli/command.h"

namespace holdfast::cli {

void print_record(const json::object& record, bool as_json);  // audit.cpp

void add_audit_offline_commands(CLI::App& audit, Context& context);  // verify proof who export

}  // namespace holdfast::cli
