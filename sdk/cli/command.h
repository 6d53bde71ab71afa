// The commands. Each adds itself to the tree that CLI11 parses and that completion walks; what runs
// is its callback, which throws Failure when it does not end well.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "sdk/cli/failure.h"

namespace holdfast::cli {

// What every command can be told, and the exit code where it is not 0 for an answer rather than an
// error (a policy check that says no, the exit status of a program that was run).
struct Context {
  std::string socket;
  bool json = false;
  int exit_code = 0;
};

void add_status_commands(CLI::App& app, Context& context);  // whoami health version reload
void add_key_commands(CLI::App& app, Context& context);
void add_key_list_commands(CLI::App& key, Context& context);     // below `key`
void add_import_commands(CLI::App& key, Context& context);       // below `key`
void add_certificate_commands(CLI::App& key, Context& context);  // below `key`
void add_rotate_command(CLI::App& key, Context& context);        // below `key`
void add_accept_commands(CLI::App& app, Context& context);       // clock device
void add_token_commands(CLI::App& app, Context& context);        // token jwks
void add_sign_commands(CLI::App& app, Context& context);
void add_s3_post_command(CLI::App& sign, Context& context);  // below `sign`
void add_aws_commands(CLI::App& app, Context& context);
void add_aws_credential_commands(CLI::App& aws, Context& context);  // below `aws`
void add_aws_configure_command(CLI::App& aws, Context& context);    // below `aws`
void add_aws_serve_command(CLI::App& aws, Context& context);        // below `aws`
void add_policy_commands(CLI::App& app, Context& context);
void add_audit_commands(CLI::App& app, Context& context);
void add_metrics_command(CLI::App& app, Context& context);
void add_dev_command(CLI::App& app, Context& context);
void add_run_command(CLI::App& app, Context& context);
void add_completion_command(CLI::App& app, Context& context);

// The whole tree, and one run of it: messages to standard error, results to standard output.
std::unique_ptr<CLI::App> make_program(Context& context);
int run(int argc, char** argv);

}  // namespace holdfast::cli
