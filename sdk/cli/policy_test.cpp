#include "sdk/cli/policy.h"
#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/config/table.h"
#include "daemon/policy/question.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

struct TestOptions {
  std::string config, file;
};

struct Expectation {
  std::string name;
  std::string where;
  Caller caller;
  std::string key;
  policy::Asked asked;
  bool allow = false;
  std::optional<std::string> grant;
};

// What question.h reads names the attribute; the table adds file and line.
template <class Read>
auto at_place(const config::Table& table, std::string_view key, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    table.fail(key, "is wrong: " + error.detail());
  }
}

Caller read_caller(config::Table& test) {
  auto table = test.table("caller");
  if (!table) test.fail("caller", "is missing: say who asks, such as caller = { uid = 1001 }");
  std::vector<policy::Pair> attributes;
  for (const std::string& name : table->keys()) {
    if (table->is_integer(name))
      attributes.push_back({name, std::to_string(*table->integer(name, 0, UINT32_MAX))});
    else
      for (std::string& value : table->texts(name)) attributes.push_back({name, std::move(value)});
  }
  return at_place(test, "caller", [&] { return policy::caller_from(attributes); });
}

policy::Asked read_asked(config::Table& test) {
  std::vector<policy::Pair> pairs;
  for (const char* name : {"skew", "ttl", "at"})
    if (auto text = test.text(name)) pairs.push_back({name, std::move(*text)});
  if (auto table = test.table("facts"))
    for (const std::string& name : table->keys()) {
      if (table->is_integer(name))
        pairs.push_back({name, std::to_string(*table->integer(name, INT64_MIN, INT64_MAX))});
      else if (table->is_boolean(name))
        pairs.push_back({name, *table->boolean(name) ? "true" : "false"});
      else
        for (std::string& value : table->texts(name)) pairs.push_back({name, std::move(value)});
    }
  return at_place(test, "facts", [&] { return policy::asked_from(std::move(pairs)); });
}

std::vector<Expectation> read_expectations(const std::string& path) {
  const toml::table parsed = config::parse_toml(path, read_file(path, kMaxFileBytes));
  config::Table root(parsed, path, "");
  std::vector<Expectation> all;
  for (config::Table& test : root.tables("test")) {
    Expectation one;
    one.where = test.where();
    one.name = test.text("name").value_or("");
    one.caller = read_caller(test);
    one.key = test.required_text("key");
    one.asked = read_asked(test);
    const auto expect = test.choice("expect", {"allow", "deny"});
    if (!expect) test.fail("expect", "is missing: \"allow\" or \"deny\"");
    one.allow = expect == "allow";
    one.grant = test.text("grant");
    test.finish();
    all.push_back(std::move(one));
  }
  root.finish();
  if (all.empty()) root.fail("test", "is missing: a file without [[test]] tests nothing");
  return all;
}

struct Outcome {
  bool as_expected = false;
  std::string got;  // "allowed by orders-s3"
};

Outcome outcome_of(const Expectation& one, const policy::Policy& rules) {
  const policy::Decision decision =
      rules.decide({one.caller, one.key, one.asked.facts, one.asked.skew, one.asked.ttl,
                    one.asked.at.value_or(std::chrono::system_clock::now())});
  const bool by_a_grant = decision.allowed || decision.denied;
  const std::string grant = by_a_grant ? rules.grant_name(decision.grant) : "";
  return {decision.allowed == one.allow && (!one.grant || *one.grant == grant),
          decision.allowed ? "allowed by " + grant : "denied: " + decision.reason};
}

void test(const TestOptions& options, Context& context) {
  const std::vector<Expectation> all = read_expectations(options.file);
  const auto rules = policy::Policy::load(read_sources(options.config));
  std::size_t failed = 0;
  json::array results;
  for (const Expectation& one : all) {
    const Outcome outcome = outcome_of(one, *rules);
    failed += outcome.as_expected ? 0 : 1;
    const std::string wanted =
        std::string(one.allow ? "allow" : "deny") + (one.grant ? " by " + *one.grant : "");
    if (context.json)
      results.push_back(json::object{{"name", one.name},
                                     {"where", one.where},
                                     {"expected", wanted},
                                     {"got", outcome.got},
                                     {"as_expected", outcome.as_expected}});
    else if (!outcome.as_expected)
      print(printable(one.where) + ": " + (one.name.empty() ? "" : printable(one.name) + ": ") +
            "expected " + printable(wanted) + ", got " + printable(outcome.got));
  }
  if (failed > 0) context.exit_code = static_cast<int>(Exit::failed);
  if (context.json)
    return print(json::serialize(json::object{{"tests", all.size()},
                                              {"failed", failed},
                                              {"policy_digest", rules->digest()},
                                              {"results", std::move(results)}}));
  print(std::to_string(all.size() - failed) + " of " + std::to_string(all.size()) +
        " are as expected");
}

}  // namespace

void add_policy_test_command(CLI::App& policy, Context& context) {
  auto options = std::make_shared<TestOptions>();
  CLI::App* command = policy.add_subcommand(
      "test", "Does the policy decide as a table of expectations says? Exits 1 if not");
  command->add_option("FILE", options->file, "TOML with [[test]] tables")->required();
  add_config_option(*command, options->config);
  command->footer(
      "In FILE, as many as you like:\n"
      "  [[test]]\n  name = \"orders reads its invoices\"\n"
      "  caller = { uid = 1001, unit = \"orders.service\" }\n  key = \"orders-aws\"\n"
      "  facts = { service = \"s3\", method = \"GET\", path = \"/invoices/7.pdf\" }\n"
      "  at = \"2026-01-05T09:00:00Z\"\n  expect = \"allow\"\n  grant = \"orders-s3\"\n"
      "Example:\n  holdfast policy test --config holdfast.toml expectations.toml");
  command->callback([options, &context] { test(*options, context); });
}

}  // namespace holdfast::cli
