#include "daemon/policy/lint.h"

#include <algorithm>

#include "daemon/base/error.h"
#include "sdk/cli/client.h"
#include "sdk/cli/output.h"
#include "sdk/cli/policy.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct LintOptions {
  std::string config;
  std::vector<std::string> ignored;
  bool offline = false;
};

std::vector<std::string> all_keys(const Context& context) {
  std::vector<std::string> keys;
  Client client = Client::admin(context.socket);
  for (std::string after;;) {
    const Reply page = client.get("/v1/keys?limit=1000&after=" + encode_component(after));
    for (const json::value& key : page.object().at("keys").as_array())
      keys.emplace_back(key.as_object().at("name").as_string());
    const json::value* next = page.object().if_contains("next");
    if (next == nullptr) return keys;
    after = std::string(next->as_string());
  }
}

void lint(const LintOptions& options, Context& context) {
  std::optional<std::vector<std::string>> keys;
  std::string skipped;
  if (options.offline) {
    skipped = "told not to";
  } else {
    try {
      keys = all_keys(context);
    } catch (const Failure& failure) {
      skipped = failure.message();
    }
  }
  std::vector<policy::Warning> warnings =
      policy::lint(read_sources(options.config), keys, std::chrono::system_clock::now());
  std::erase_if(warnings, [&](const policy::Warning& warning) {
    return std::ranges::find(options.ignored, warning.code) != options.ignored.end();
  });
  if (!warnings.empty()) context.exit_code = static_cast<int>(Exit::failed);
  if (context.json) {
    json::array list;
    for (const policy::Warning& warning : warnings)
      list.push_back(json::object{{"code", warning.code},
                                  {"grant", warning.grant},
                                  {"where", warning.where},
                                  {"text", warning.text}});
    return print(json::serialize(
        json::object{{"warnings", std::move(list)}, {"keys_checked", keys.has_value()}}));
  }
  for (const policy::Warning& warning : warnings)
    print(warning.code + ": " +
          (warning.grant.empty()
               ? ""
               : printable(warning.grant) + " (" + printable(warning.where) + ") ") +
          printable(warning.text));
  print(std::to_string(warnings.size()) + (warnings.size() == 1 ? " warning" : " warnings"));
  if (!keys) note("the daemon was not asked for its keys, so they were not checked: " + skipped);
}

}  // namespace

void add_policy_lint_command(CLI::App& policy, Context& context) {
  auto options = std::make_shared<LintOptions>();
  CLI::App* command = policy.add_subcommand(
      "lint", "What is allowed in the grants and seldom meant; exits 1 if there is any");
  command
      ->add_option("--ignore", options->ignored,
                   "Leave out the warnings of this kind; may be repeated")
      ->check(CLI::IsMember(policy::lint_codes()))
      ->type_name("KIND");
  command->add_flag("--offline", options->offline, "Don't ask the daemon which keys there are");
  add_config_option(*command, options->config);
  command->footer(
      "Examples:\n  holdfast policy lint\n"
      "  holdfast policy lint --offline --ignore wide-facts --config holdfast.toml");
  command->callback([options, &context] { lint(*options, context); });
}

}  // namespace holdfast::cli
