// What the commands below `policy` share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "daemon/policy/policy.h"
#include "sdk/cli/command.h"

namespace holdfast::cli {

// The configuration's files, of --config or where they usually are.
std::vector<policy::Source> read_sources(const std::string& option);
void add_config_option(CLI::App& command, std::string& option);

void add_policy_explain_command(CLI::App& policy, Context& context);
void add_policy_test_command(CLI::App& policy, Context& context);
void add_policy_lint_command(CLI::App& policy, Context& context);

}  // namespace holdfast::cli
