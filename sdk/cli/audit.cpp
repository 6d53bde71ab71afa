#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "daemon/audit/reader.h"
#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/configuration.h"
#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

constexpr std::int64_t kPage = 500;
constexpr int kFollowMilliseconds = 500;

struct AuditOptions {
  std::string from, config, request_id;
  std::int64_t count = 20;
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
  for (const char* name : {"service", "method", "host", "path", "action", "audience", "algorithm"})
    for (const json::value& fact : facts->as_array())
      if (fact.is_array() && fact.as_array().size() == 2 && fact.as_array()[0] == name)
        out += (out.empty() ? "" : " ") + plain(fact.as_array()[1]);
  return out;
}

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
  if (const std::string facts = facts_text(details); !facts.empty()) line += "  " + facts;
  if (field(details, "reason") != "-") line += "  (" + field(details, "reason") + ")";
  print(line);
}

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

std::string folder_to_verify(const AuditOptions& options) {
  if (options.from.empty()) return audit_folder(options.config);
  return std::filesystem::is_directory(options.from)
             ? options.from
             : std::filesystem::path(options.from).parent_path().string();
}

void verify(const AuditOptions& options, Context& context) {
  const std::string folder = folder_to_verify(options);
  const audit::Verdict verdict = audit::verify(folder);
  if (!verdict.good) context.exit_code = static_cast<int>(Exit::failed);
  if (context.json) {
    json::array faults;
    for (const std::string& fault : verdict.faults) faults.emplace_back(fault);
    return print(json::serialize(json::object{{"good", verdict.good},
                                              {"size", verdict.state.size},
                                              {"root", verdict.state.root},
                                              {"details_checked", verdict.details_checked},
                                              {"details_pruned", verdict.details_pruned},
                                              {"horizon", verdict.horizon},
                                              {"faults", std::move(faults)}}));
  }
  for (const std::string& fault : verdict.faults) print("fault: " + printable(fault));
  print(std::string(verdict.good ? "good" : "BAD") + ": " + std::to_string(verdict.state.size) +
        " records in " + folder);
  print("root " + verdict.state.root);
  print(std::to_string(verdict.details_checked) + " details checked, " +
        std::to_string(verdict.details_pruned) + " pruned");
  print(printable(verdict.horizon));
  if (!verdict.good)
    note("keep a copy of the folder before anything else; compare it with your backups");
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

  CLI::App* verify_command = group->add_subcommand(
      "verify", "Check the stored log, without the daemon; exits 1 if it is bad");
  verify_command
      ->add_option("--from", options->from,
                   "The log's folder (default: audit in the configuration's state_dir)")
      ->type_name("FOLDER");
  verify_command
      ->add_option("--config", options->config,
                   "Configuration (default: $HOLDFAST_CONFIG, then /etc/holdfast/holdfast.toml)")
      ->type_name("PATH");
  verify_command->footer("Example:\n  holdfast audit verify --from /backup/holdfast/audit");
  verify_command->callback([options, &context] { verify(*options, context); });

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
