#include "sdk/cli/client.h"
#include "sdk/cli/command.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

// "name   value" lines for the fields that are there, in the order given.
std::string describe(const json::object& object, std::initializer_list<const char*> names) {
  std::string out;
  for (const char* name : names) {
    const std::string value = field(object, name);
    if (value == "-") continue;
    std::string label(name);
    std::replace(label.begin(), label.end(), '_', ' ');
    label.resize(std::max<std::size_t>(label.size() + 1, 15), ' ');
    out += (out.empty() ? "" : "\n") + label + value;
  }
  return out;
}

void show_whoami(const Context& context) {
  const Reply reply = Client::application(context.socket).get("/v1/whoami");
  if (context.json) return print(reply.body);
  print(describe(reply.object(),
                 {"user", "uid", "gid", "groups", "pid", "unit", "user_unit", "exe", "exe_sha256",
                  "label", "container", "pod", "security_label", "nested", "grants"}));
  if (field(reply.object(), "grants") == "-")
    note("no grant names you: ask an administrator for one, see `holdfast policy --help`");
}

void show_processes(const json::array& processes) {
  Table table({"PROCESS", "SECCOMP", "LANDLOCK", "DUMPABLE", "LOCKED KIB", "CAPABILITIES"});
  for (const json::value& entry : processes) {
    const json::object& process = entry.as_object();
    table.add({field(process, "name"), field(process, "seccomp"), field(process, "landlock"),
               field(process, "dumpable"), field(process, "locked_kib"),
               field(process, "capabilities")});
  }
  print("\n" + table.text());
}

void show_health(Context& context) {
  const Reply reply = Client::application(context.socket).get("/v1/health");
  const json::object& health = reply.object();
  const std::string status = field(health, "status");
  if (status == "down") context.exit_code = static_cast<int>(Exit::failed);
  if (context.json) return print(reply.body);
  print(describe(health, {"status", "version", "policy_digest"}));
  if (const auto* reasons = health.if_contains("reasons"); reasons && reasons->is_array())
    for (const json::value& reason : reasons->as_array()) print("because        " + plain(reason));
  const auto* devices = health.if_contains("devices");
  if (!devices || !devices->is_array() || devices->as_array().empty()) return;
  Table table({"DEVICE", "BACKEND", "STATE", "SOFTWARE", "SESSIONS", "VERIFY"});
  for (const json::value& entry : devices->as_array()) {
    const json::object& device = entry.as_object();
    table.add({field(device, "name"), field(device, "backend"), field(device, "state"),
               field(device, "software"), field(device, "sessions"), field(device, "verify")});
  }
  print("\n" + table.text());
  if (const auto* processes = health.if_contains("processes"); processes && processes->is_array())
    show_processes(processes->as_array());
}

void show_version(const Context& context) {
  json::object versions{{"holdfast", HOLDFAST_VERSION}};
  std::string missing;
  try {
    versions["daemon"] = Client::application(context.socket).get("/v1/version").value;
  } catch (const Failure& failure) {
    versions["daemon"] = nullptr;
    missing = failure.message();
  }
  if (context.json) return print(json::serialize(versions));
  print(std::string("holdfast       ") + HOLDFAST_VERSION);
  if (!missing.empty()) return note("daemon         not asked: " + printable(missing));
  const json::object& daemon = versions["daemon"].as_object();
  print("holdfastd      " + field(daemon, "version"));
  print("protocol       " + field(daemon, "api"));
  print("features       " + field(daemon, "features"));
}

void reload(const Context& context) {
  const Reply reply = Client::admin(context.socket).post("/v1/reload", {});
  if (context.json) return print(reply.body);
  const std::string grants = field(reply.object(), "grants");
  print("policy " + field(reply.object(), "policy_digest") + " with " + grants +
        (grants == "1" ? " grant" : " grants") + " is in force");
}

}  // namespace

void add_status_commands(CLI::App& app, Context& context) {
  app.add_subcommand("whoami", "Who you are to the daemon, and which grants name you")
      ->footer("Example:\n  sudo -u orders holdfast whoami")
      ->callback([&] { show_whoami(context); });
  app.add_subcommand("health", "Is the daemon well, and its devices; exits 1 if it is down")
      ->footer("Example:\n  holdfast health --json")
      ->callback([&] { show_health(context); });
  app.add_subcommand("version", "Versions of this program and of the daemon")
      ->footer("Example:\n  holdfast version")
      ->callback([&] { show_version(context); });
  app.add_subcommand("reload", "Read the configuration's grants again; a bad file changes nothing")
      ->footer("Example:\n  holdfast reload")
      ->callback([&] { reload(context); });
}

}  // namespace holdfast::cli
