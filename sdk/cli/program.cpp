#include <csignal>
#include <sstream>

#include "daemon/base/secret.h"
#include "sdk/cli/command.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

int report(const Failure& failure, const Context& context) {
  if (context.json && !failure.problem().empty()) {
    note(failure.problem());
  } else {
    std::istringstream lines("holdfast: " + failure.message());
    for (std::string line; std::getline(lines, line);) note(printable(line));
    if (!failure.advice().empty()) note("  " + printable(failure.advice()));
  }
  return static_cast<int>(failure.exit());
}

std::string path_of(const CLI::App* app) {
  return app->get_parent() ? path_of(app->get_parent()) + " " + app->get_name() : app->get_name();
}

const CLI::App* deepest(const CLI::App* app) {
  for (const CLI::App* used : app->get_subcommands()) return deepest(used);
  return app;
}

}  // namespace

std::unique_ptr<CLI::App> make_program(Context& context) {
  auto app = std::make_unique<CLI::App>(
      "Signs for the programs on this machine with keys that can't leave its TPM.", "holdfast");
  app->fallthrough();
  app->require_subcommand(1);
  app->add_option("--socket", context.socket,
                  "The daemon's application socket (default: $HOLDFAST_SOCKET, then "
                  "$XDG_RUNTIME_DIR/holdfast/holdfast.sock, then /run/holdfast/holdfast.sock)")
      ->type_name("PATH");
  app->add_flag("--json", context.json, "Results as one line of JSON, as the daemon sent them");
  app->footer(
      "Examples:\n"
      "  holdfast dev -- bash                                    try it: a daemon of your own\n"
      "  holdfast key import-aws orders-aws --profile default    seal a key of ~/.aws/credentials\n"
      "  holdfast aws curl --key orders-aws --region eu-west-1 --service s3 -- https://…\n"
      "  holdfast token jwt --key orders-jwt --audience https://api.example.com\n"
      "  holdfast policy suggest REQUEST_ID                      the grant a refusal would have "
      "needed\n\n"
      "Exit status: 0 done, 1 failed, 2 wrong usage, 3 refused, 4 try later.");
  add_dev_command(*app, context);
  add_run_command(*app, context);
  add_status_commands(*app, context);
  add_key_commands(*app, context);
  add_sign_commands(*app, context);
  add_token_commands(*app, context);
  add_aws_commands(*app, context);
  add_policy_commands(*app, context);
  add_audit_commands(*app, context);
  add_metrics_command(*app, context);
  add_accept_commands(*app, context);
  add_completion_command(*app, context);
  return app;
}

int run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  prepare_secret_memory();
  Context context;
  const auto app = make_program(context);
  try {
    app->parse(argc, argv);
    return context.exit_code;
  } catch (const CLI::Success& request) {
    return app->exit(request);
  } catch (const CLI::ParseError& error) {
    const auto unknown = app->remaining(true);
    note("holdfast: " + (unknown.empty() ? printable(error.what())
                                         : "not understood: " + printable(unknown.front())));
    note("  see " + path_of(deepest(app.get())) + " --help");
    return static_cast<int>(Exit::usage);
  } catch (const Failure& failure) {
    return report(failure, context);
  } catch (const Error& error) {
    return report(Failure::from_error(error), context);
  } catch (const std::exception& error) {
    return report(Failure(Exit::failed, error.what(), "this is a defect: please report it"),
                  context);
  }
}

}  // namespace holdfast::cli
