#include <iostream>
#include <iterator>

#include "daemon/base/posix.h"
#include "daemon/policy/past.h"
#include "sdk/cli/client.h"
#include "sdk/cli/output.h"
#include "sdk/cli/policy.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxRecordBytes = 1 << 20;

struct ExplainOptions {
  std::string config, request_id, record;
};

json::object document_of(const ExplainOptions& options, const Context& context) {
  if (!options.request_id.empty())
    return Client::admin(context.socket)
        .get("/v1/requests/" + encode_component(options.request_id))
        .object();
  const std::string text =
      options.record == "-"
          ? std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>())
          : read_file(options.record, kMaxRecordBytes);
  return parse_json_object(text);
}

const char* name_of(policy::Truth truth) {
  return truth == policy::Truth::yes ? "yes" : truth == policy::Truth::no ? "no" : "unknown";
}

const char* mark_of(policy::Truth truth) {
  return truth == policy::Truth::yes ? "+ " : truth == policy::Truth::no ? "- " : "? ";
}

json::object to_json(const policy::Explanation& one, const policy::Policy& rules) {
  json::array conditions;
  for (const policy::Finding& finding : one.findings)
    conditions.push_back(json::object{
        {"holds", name_of(finding.holds)}, {"fits", finding.fits}, {"text", finding.text}});
  return {{"grant", rules.grant_name(one.grant)},
          {"where", rules.grant_place(one.grant)},
          {"effect", one.denies ? "deny" : "allow"},
          {"takes_effect", one.takes_effect},
          {"conditions", std::move(conditions)}};
}

void print_grant(const policy::Explanation& one, const policy::Policy& rules) {
  const char* outcome = one.denies ? (one.takes_effect ? "denies it" : "does not deny it")
                                   : (one.takes_effect ? "allows it" : "does not allow it");
  print(printable(rules.grant_name(one.grant)) + " (" + printable(rules.grant_place(one.grant)) +
        ") " + outcome);
  for (const policy::Finding& finding : one.findings)
    print("  " + std::string(mark_of(finding.holds)) + printable(finding.text));
}

void explain(const ExplainOptions& options, const Context& context) {
  if (options.request_id.empty() == options.record.empty())
    throw Failure(Exit::usage, "give either a REQUEST_ID or --record FILE",
                  "see `holdfast policy explain --help`");
  const json::object document = document_of(options, context);
  const policy::PastRequest past = policy::read_past_request(document);
  const auto rules = policy::Policy::load(read_sources(options.config));
  const policy::Question question = past.question();
  const policy::Decision decision = rules->decide(question);
  const std::vector<policy::Explanation> all = rules->explain(question);
  const bool same = past.policy_digest == rules->digest();
  if (context.json) {
    json::array grants;
    for (const policy::Explanation& one : all) grants.push_back(to_json(one, *rules));
    const bool by_a_grant = decision.allowed || decision.denied;
    return print(
        json::serialize(json::object{{"request", document},
                                     {"same_policy", same},
                                     {"policy_digest", rules->digest()},
                                     {"allowed", decision.allowed},
                                     {"grant", by_a_grant ? rules->grant_name(decision.grant) : ""},
                                     {"grants", std::move(grants)}}));
  }
  print("request " + printable(past.id) + " of " + printable(past.time) + ": " +
        printable(past.operation) + " with the key " + printable(past.key));
  print("it got: " + printable(past.decision) + ", " + printable(past.code) +
        (past.grant.empty() ? "" : ", by the grant " + printable(past.grant)) +
        (past.reason.empty() ? "" : ": " + printable(past.reason)));
  if (all.empty()) print("no grant names the key");
  for (const policy::Explanation& one : all) print_grant(one, *rules);
  if (!same)
    note("the files hold another policy than the one that judged it; by them it would be " +
         std::string(decision.allowed ? "allowed" : "denied"));
  if (past.facts_cut) note("the record does not have all facts whole, so this may be wrong");
  note("the caller's groups are not on record; the user database's of today were taken");
}

}  // namespace

void add_policy_explain_command(CLI::App& policy, Context& context) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command = policy.add_subcommand(
      "explain", "Why was a request allowed or refused? Each grant, condition by condition");
  command->add_option("REQUEST_ID", options->request_id,
                      "One of the last 10,000, as X-Request-Id or the refusal named it");
  command
      ->add_option(
          "--record", options->record,
          "Of an older one its record, as `audit tail --json` prints it (-: standard input)")
      ->type_name("FILE");
  add_config_option(*command, options->config);
  command->footer(
      "+ holds, - does not hold, ? can't be known: keeps an allow from allowing, not a deny from "
      "denying.\n"
      "Examples:\n  holdfast policy explain 4f0c…\n"
      "  grep 4f0c… records.json | holdfast policy explain --record -");
  command->callback([options, &context] { explain(*options, context); });
}

}  // namespace holdfast::cli
