// The options by which commands are told which AWS credentials are wanted.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "sdk/aws/request.h"
#include "sdk/cli/command.h"

namespace holdfast::cli {

struct AwsOptions {
  std::string way, duration, timeout = "60s";
  aws::Request request;  // as given
};

// What was added.
std::vector<CLI::Option*> add_aws_options(CLI::App& command, AwsOptions& options);

// Checked and with its defaults. Throws Failure{usage}.
aws::Request read_request(const AwsOptions& options, const Context& context);

// The options again, as another `holdfast` has to be given them: what was given, and the region
// and way that the environment and the other options led to.
std::vector<std::string> as_arguments(const AwsOptions& options, const Context& context);

}  // namespace holdfast::cli
