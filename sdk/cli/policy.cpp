#include "sdk/cli/policy.h"

#include <toml++/toml.h>

#include <sstream>

#include "daemon/config/config.h"
#include "daemon/policy/question.h"
#include "daemon/policy/suggest.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/configuration.h"
#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

struct PolicyOptions {
  std::string config, as, key, request_id;
  std::vector<std::string> facts;
};

// What is wrong in a question is the asker's usage, not the policy's.
template <class Read>
auto as_usage(Read read) {
  try {
    return read();
  } catch (const Error& error) {
    throw Failure(Exit::usage, error.detail(), "see `holdfast policy check --help`");
  }
}

void check(const PolicyOptions& options, Context& context) {
  const Caller caller = as_usage([&] { return policy::caller_from(options.as); });
  const policy::Asked asked = as_usage([&] { return policy::asked_from(options.facts); });
  const auto policy = policy::Policy::load(read_sources(options.config));
  const policy::Decision decision =
      policy->decide({caller, options.key, asked.facts, asked.skew, asked.ttl,
                      asked.at.value_or(std::chrono::system_clock::now())});
  if (!decision.allowed) context.exit_code = static_cast<int>(Exit::refused);
  const bool by_a_grant = decision.allowed || decision.denied;
  const std::string grant = by_a_grant ? policy->grant_name(decision.grant) : "";
  if (context.json)
    return print(json::serialize(json::object{{"allowed", decision.allowed},
                                              {"grant", grant},
                                              {"reason", decision.reason},
                                              {"policy_digest", policy->digest()}}));
  print(decision.allowed ? "allowed by the grant " + printable(grant)
                         : "denied: " + printable(decision.reason));
}

json::value to_json(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) { text << toml::json_formatter(value); });
  return json::parse(text.str());
}

json::array read_grants(const std::vector<policy::Source>& sources) {
  json::array grants;
  for (const policy::Source& source : sources) {
    const toml::table parsed = toml::parse(source.text, source.name);
    const toml::array* list = parsed["grant"].as_array();
    if (!list) continue;
    for (const toml::node& node : *list) {
      json::object grant = to_json(node).as_object();
      grant["where"] = source.name + ":" + std::to_string(node.source().begin.line);
      grants.push_back(std::move(grant));
    }
  }
  return grants;
}

std::string table_text(const json::value& value) {
  if (!value.is_object()) return plain(value);
  std::string out;
  for (const auto& [name, item] : value.as_object())
    out += (out.empty() ? "" : "; ") + printable(name) + " = " + plain(item);
  return out;
}

std::string running_digest(const Context& context) {
  try {
    return field(Client::application(context.socket).get("/v1/health").object(), "policy_digest");
  } catch (const Failure&) {
    return {};
  }
}

void show(const PolicyOptions& options, const Context& context) {
  const auto sources = read_sources(options.config);
  const auto policy = policy::Policy::load(sources);
  const json::array grants = read_grants(sources);
  const std::string running = running_digest(context);
  if (context.json) {
    json::object out{{"policy_digest", policy->digest()}, {"grants", grants}};
    out["running_digest"] = running.empty() ? json::value(nullptr) : json::value(running);
    return print(json::serialize(out));
  }
  for (const json::value& entry : grants) {
    const json::object& grant = entry.as_object();
    print(field(grant, "name") + "  (" + field(grant, "where") + ")");
    for (const char* name : {"effect", "key", "caller", "facts", "when", "limits", "set"})
      if (const json::value* value = grant.if_contains(name))
        print("  " + std::string(name) + std::string(8 - std::string_view(name).size(), ' ') +
              table_text(*value));
  }
  print(std::to_string(grants.size()) + " grants, digest " + policy->digest());
  if (running.empty())
    note("no daemon was asked whether it runs this policy");
  else if (running != policy->digest())
    note("the daemon runs another policy (" + running +
         "): `holdfast reload` puts this one into force");
}

void suggest(const PolicyOptions& options, const Context& context) {
  Client client = Client::admin(context.socket);
  const Reply reply = client.get("/v1/requests/" + encode_component(options.request_id));
  const std::string grant = policy::suggest(reply.object());
  const std::string key = field(reply.object(), "key");
  const std::string reason = field(reply.object(), "reason");
  if (context.json)
    print(json::serialize(json::object{{"grant", grant}, {"reason", reason}}));
  else
    print(std::string_view(grant).substr(0, grant.find_last_not_of('\n') + 1));
  try {
    client.get("/v1/keys/" + encode_component(key));
  } catch (const Failure&) {
    note("there is no key " + key + ": a grant alone won't do");
  }
  note("It was refused because: " + reason);
  note("If it should be allowed, put this into a file such as " + policy_folder(options.config) +
       "/" + key + ".toml, then: holdfast reload");
}

}  // namespace

std::vector<policy::Source> read_sources(const std::string& option) {
  std::vector<policy::Source> sources;
  for (config::File& file : config::read_files(configuration_path(option)))
    sources.push_back({std::move(file.name), std::move(file.text)});
  return sources;
}

void add_config_option(CLI::App& command, std::string& option) {
  command
      .add_option("--config", option,
                  "Configuration (default: $HOLDFAST_CONFIG, then /etc/holdfast/holdfast.toml)")
      ->type_name("PATH");
}

void add_policy_commands(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("policy", "Ask, explain, test and extend who may sign what")
                        ->require_subcommand(1);
  group->footer(
      "A grant, in /etc/holdfast/policy.d/orders.toml:\n"
      "  [[grant]]\n  name = \"orders-s3\"\n  key = \"orders-aws\"\n"
      "  caller = { unit = \"orders.service\", user = \"orders\" }\n"
      "  facts = { service = \"s3\", bucket = \"orders-*\", method = [\"GET\", \"PUT\"] }\n"
      "One for tokens:\n"
      "  [[grant]]\n  name = \"orders-api\"\n  key = \"orders-jwt\"\n"
      "  caller = { unit = \"orders.service\" }\n"
      "  facts = { audience = \"https://api.example.com\" }\n  limits = { ttl = \"5m\" }\n"
      "  set = { issuer = \"https://id.example.com\", subject = \"{unit}\" }\n"
      "Then: holdfast reload");
  auto options = std::make_shared<PolicyOptions>();

  CLI::App* check_command =
      group->add_subcommand("check", "Would this caller be allowed? Exits 3 if not");
  check_command
      ->add_option("--as", options->as, std::string(policy::kCallerWords) + ", as name=value,…")
      ->required()
      ->type_name("CALLER");
  check_command->add_option("--key", options->key, "Key")->required()->type_name("K");
  check_command->add_option(
      "FACT", options->facts,
      "Fact of the request, name=value, or skew=10m, ttl=5m, at=TIME; may be repeated");
  add_config_option(*check_command, options->config);
  check_command->footer(
      "Examples:\n  holdfast policy check --as uid=1001,unit=orders.service --key orders-aws \\\n"
      "      service=s3 method=GET bucket=orders-eu path=/invoices/7.pdf\n"
      "  holdfast policy check --as user=orders --key orders-jwt \\\n"
      "      audience=https://api.example.com ttl=5m typ=at+jwt claim.role=reader");
  check_command->callback([options, &context] { check(*options, context); });

  add_policy_explain_command(*group, context);
  add_policy_test_command(*group, context);
  add_policy_lint_command(*group, context);

  CLI::App* show_command = group->add_subcommand(
      "show", "The grants of the configuration, and whether they are in force");
  add_config_option(*show_command, options->config);
  show_command->footer("Example:\n  holdfast policy show");
  show_command->callback([options, &context] { show(*options, context); });

  CLI::App* suggest_command =
      group->add_subcommand("suggest", "The grant that a refused request would have needed");
  suggest_command->add_option("REQUEST_ID", options->request_id, "As the refusal named it")
      ->required();
  add_config_option(*suggest_command, options->config);
  suggest_command->footer(
      "Example:\n  holdfast policy suggest 4f0c… >> /etc/holdfast/policy.d/orders.toml && holdfast "
      "reload");
  suggest_command->callback([options, &context] { suggest(*options, context); });
}

}  // namespace holdfast::cli
