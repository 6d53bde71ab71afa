#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "daemon/base/clock.h"
#include "sdk/cli/audit_offline.h"
#include "sdk/cli/client.h"
#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

constexpr std::int64_t kPage = 500;
constexpr int kFollowMilliseconds = 500;

struct AuditOptions {
  std::string request_id, before;
  std::int64_t count = 20, keep_days = 0;
  bool follow = false;
};

const json::object& object_of(const json::object& object, std::string_view name) {
  static const json::object nothing;
  const json::value* value = object.if_contains(name);
  return value && value->is_object() ? value->as_object() : nothing;
}

// What a person looks for first: where it went, or whom it was for.
std::string facts_text(const json::object& holder) {
  std::string out;
  const json::value* facts = holder.if_contains("facts");
  if (!facts || !facts->is_array()) return out;
  for (const char* name :
       {"service", "method", "host", "path", "action", "role", "audience", "algorithm"})
    for (const json::value& fact : facts->as_array())
      if (fact.is_array() && fact.as_array().size() == 2 && fact.as_array()[0] == name)
        out += (out.empty() ? "" : " ") + plain(fact.as_array()[1]);
  return out;
}

}  // namespace

void print_record(const json::object& record, bool as_json) {
  if (as_json) return print(json::serialize(record));
  const json::object& details = object_of(record, "details");
  const json::object& caller = object_of(details, "caller");
  std::string line =
      field(record, "seq") + "  " + field(record, "time") + "  " + field(record, "decision");
  line += "  " + field(record, "code") + "  " + field(record, "operation");
  if (field(record, "key") != "-") line += "  " + field(record, "key");
  if (const auto version = field(record, "version"); version != "-" && version != "0")
    line += "/" + version;
  line += "  uid " + field(record, "uid");
  for (const char* name : {"unit", "exe"})
    if (field(caller, name) != "-") line += "  " + field(caller, name);
  if (field(record, "count") != "-") line += "  x" + field(record, "count");
  if (const std::string facts = facts_text(details); !facts.empty()) line += "  " + facts;
  if (field(details, "reason") != "-") line += "  (" + field(details, "reason") + ")";
  print(line);
}

namespace {

// How many records there are, without adding one: every call of the admin socket is itself
// recorded.
std::int64_t count_records(Client& metrics) {
  static constexpr std::string_view kName = "\nholdfast_audit_records ";
  const std::string text = metrics.get_text("/metrics");
  const std::size_t at = text.find(kName);
  if (at == std::string::npos)
    throw Failure(Exit::failed, "the daemon's metrics don't say how many records there are",
                  "compare versions with `holdfast version`");
  return std::strtoll(text.c_str() + at + kName.size(), nullptr, 10);
}

bool is_our_reading(const json::object& record) {
  return record.at("operation") == "admin.audit.read" &&
         field(object_of(object_of(record, "details"), "caller"), "pid") ==
             std::to_string(getpid());
}

void tail(const AuditOptions& options, const Context& context) {
  Client client = Client::admin(context.socket);
  Client metrics = Client::metrics(context.socket);
  std::int64_t end = count_records(metrics);
  std::int64_t next = std::max<std::int64_t>(0, end - options.count);
  std::int64_t ours = 0;  // records of our own reading from `next` on
  for (;;) {
    while (next < end) {
      const std::int64_t limit = std::min(end - next, kPage);
      const Reply page = client.get("/v1/audit?after=" + std::to_string(next - 1) +
                                    "&limit=" + std::to_string(limit));
      ++ours;
      for (const json::value& record : page.object().at("records").as_array()) {
        if (is_our_reading(record.as_object()))
          --ours;
        else
          print_record(record.as_object(), context.json);
      }
      next += limit;
    }
    if (!options.follow) return;
    // Comes to rest though every look adds a record.
    while ((end = count_records(metrics)) - next <= ours) ::poll(nullptr, 0, kFollowMilliseconds);
  }
}

std::string before_days(std::int64_t days) {
  return to_rfc3339(std::chrono::system_clock::now() - std::chrono::days(days));
}

void prune(const AuditOptions& options, const Context& context) {
  json::object body;
  const bool is_number = options.before.find_first_not_of("0123456789") == std::string::npos;
  if (options.keep_days > 0)
    body["before"] = before_days(options.keep_days);
  else if (options.before.empty())
    throw Failure(Exit::usage, "say how old: --before TIME, --before SEQ or --keep DAYS");
  else if (is_number)
    body["before_seq"] = std::strtoll(options.before.c_str(), nullptr, 10);
  else
    body["before"] = options.before;
  const Reply reply = Client::admin(context.socket).post("/v1/audit/prune", body);
  if (context.json) return print(reply.body);
  print("the details of " + field(reply.object(), "records") +
        " records are gone; the records and their proofs stay");
}

void show_request(const AuditOptions& options, const Context& context) {
  const Reply reply =
      Client::admin(context.socket).get("/v1/requests/" + encode_component(options.request_id));
  if (context.json) return print(reply.body);
  const json::object& request = reply.object();
  for (const char* name : {"request_id", "time", "operation", "key", "decision", "code", "reason"})
    print(std::string(name) + std::string(14 - std::string_view(name).size(), ' ') +
          field(request, name));
  for (const auto& [name, value] : object_of(request, "caller"))
    print("caller        " + printable(name) + " = " + plain(value));
  const json::value* facts = request.if_contains("facts");
  if (!facts || !facts->is_array()) return;
  for (const json::value& fact : facts->as_array())
    if (fact.is_array() && fact.as_array().size() == 2)
      print("fact          " + plain(fact.as_array()[0]) + " = " + plain(fact.as_array()[1]));
}

}  // namespace

void add_audit_commands(CLI::App& app, Context& context) {
  CLI::App* group =
      app.add_subcommand("audit", "Read and verify what was asked, decided and signed")
          ->require_subcommand(1);
  group->footer("Examples:\n  holdfast audit tail --follow\n  holdfast audit verify");
  auto options = std::make_shared<AuditOptions>();

  CLI::App* tail_command =
      group->add_subcommand("tail", "The last records, oldest first; with --json one a line");
  tail_command->add_option("-n,--lines", options->count, "How many (default 20)")
      ->check(CLI::Range(0, 1000000))
      ->type_name("N");
  tail_command->add_flag("-f,--follow", options->follow, "Go on with what comes");
  tail_command->footer("Example:\n  holdfast audit tail -n 100 --json");
  tail_command->callback([options, &context] { tail(*options, context); });

  add_audit_offline_commands(*group, context);

  CLI::App* prune_command = group->add_subcommand(
      "prune", "Drop old details, in whole segments of 65,536 records; keep every proof");
  prune_command->add_option("--before", options->before, "Of records before this time or number")
      ->type_name("TIME|SEQ");
  prune_command->add_option("--keep", options->keep_days, "Of records older than so many days")
      ->check(CLI::Range(1, 36500))
      ->type_name("DAYS")
      ->excludes("--before");
  prune_command->footer(
      "It is recorded. The segment that is being written keeps its details.\n\n"
      "Examples:\n  holdfast audit prune --keep 90\n"
      "  holdfast audit prune --before 2026-01-01T00:00:00Z");
  prune_command->callback([options, &context] { prune(*options, context); });

  CLI::App* request_command =
      group->add_subcommand("request", "One of the last 10,000 requests, whole");
  request_command
      ->add_option("REQUEST_ID", options->request_id,
                   "As the reply's X-Request-Id or the refusal named it")
      ->required();
  request_command->footer("Example:\n  holdfast audit request 4f0c…");
  request_command->callback([options, &context] { show_request(*options, context); });
}

}  // namespace holdfast::cli
