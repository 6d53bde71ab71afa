#include "daemon/config/config.h"

#include <algorithm>
#include <set>

#include "daemon/base/error.h"
#include "daemon/base/origin.h"
#include "daemon/config/device.h"
#include "daemon/config/table.h"

namespace holdfast::config {
namespace {

// sizeof(sockaddr_un::sun_path) without the final NUL, and the longest socket name in runtime_dir.
constexpr std::size_t kMaxSocketPath = 107;
constexpr std::string_view kLongestSocket = "/holdfast.sock";

std::string account(Table& table, std::string_view key) {
  auto value = table.text(key);
  if (!value) return {};
  if (value->empty() || has_control(*value) || value->find_first_of(" :/,") != std::string::npos)
    table.fail(key, "has to be the name of a user or group; leave it out to stay who starts it");
  return std::move(*value);
}

void read_daemon(Table& table, Config& config) {
  const auto folder = [&](std::string_view key, std::string& value) {
    value = table.path(key, value).value_or(value);
  };
  folder("state_dir", config.state_dir);
  folder("runtime_dir", config.runtime_dir);
  config.allow_software_devices = table.boolean("allow_software_devices").value_or(false);
  config.user = account(table, "user");
  config.device_user = account(table, "device_user");
  config.admin_group = account(table, "admin_group");
  config.log_level =
      table.choice("log_level", {"debug", "info", "warning", "error"}).value_or(config.log_level);
  table.finish();
  if (config.runtime_dir.size() + kLongestSocket.size() > kMaxSocketPath)
    table.fail("runtime_dir", "is too long: with its sockets' names it may have " +
                                  std::to_string(kMaxSocketPath) +
                                  " bytes (a limit of Unix sockets), so shorten it to " +
                                  std::to_string(kMaxSocketPath - kLongestSocket.size()));
}

void read_limits(Table& table, Limits& limits) {
  constexpr std::int64_t most = 65'536;
  const auto count = [&](std::string_view key, std::size_t fallback, std::size_t high) {
    return static_cast<std::size_t>(table.integer(key, 1, static_cast<std::int64_t>(high))
                                        .value_or(static_cast<std::int64_t>(fallback)));
  };
  limits.connections = count("connections", limits.connections, most);
  // Of fewer connections the same parts.
  const auto part = [&](std::size_t usual, std::size_t divisor) {
    return std::clamp<std::size_t>(limits.connections / divisor, 1, usual);
  };
  limits.connections_per_user =
      count("connections_per_user", part(limits.connections_per_user, 4), limits.connections);
  limits.connections_without_grant = count(
      "connections_without_grant", part(limits.connections_without_grant, 64), limits.connections);
  table.finish();
}

void read_audit(Table& table, Audit& audit) {
  if (table.choice("durability", {"written", "fsync"}) == "fsync")
    audit.durability = Durability::fsync;
  audit.signing_key = table.text("signing_key").value_or("");
  if (!audit.signing_key.empty() && !is_name(audit.signing_key))
    table.fail("signing_key", "has to be the name of a key that was made with --use audit");
  audit.origin = table.text("origin").value_or("");
  if (!audit.origin.empty() && !is_origin(audit.origin))
    table.fail("origin", "has to be like \"machine.example/holdfast\": ASCII, no space, no plus");
  audit.checkpoint_every = std::chrono::seconds(
      table.integer("checkpoint_seconds", 1, 300).value_or(audit.checkpoint_every.count()));
  audit.keep_details_days =
      static_cast<std::uint32_t>(table.integer("keep_details_days", 1, 36500).value_or(0));
  for (const std::string& name : table.texts("sinks")) {
    if (name != "journald" && name != "syslog")
      table.fail("sinks", "may have \"journald\" and \"syslog\"");
    const AuditSink sink = name == "journald" ? AuditSink::journald : AuditSink::syslog;
    if (std::ranges::find(audit.sinks, sink) != audit.sinks.end())
      table.fail("sinks", "has " + name + " twice");
    audit.sinks.push_back(sink);
  }
  table.finish();
}

}  // namespace

Config parse(const std::vector<File>& files) {
  if (files.empty())
    throw Error(ErrorKind::internal, "no configuration file was given", "config::parse");
  Config config;
  config.path = files.front().name;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const toml::table parsed = parse_toml(files[i].name, files[i].text);
    Table root(parsed, files[i].name, "");
    root.tables("grant");   // policy reads them
    root.texts("include");  // read_files() has followed them
    if (i > 0) {
      for (const std::string_view name : {"daemon", "audit", "limits", "device"})
        if (parsed.contains(name))
          root.fail(name, "belongs in " + config.path + ": other files hold only [[grant]]");
      root.finish();
      continue;
    }
    if (auto table = root.table("daemon")) read_daemon(*table, config);
    if (auto table = root.table("audit")) read_audit(*table, config.audit);
    if (auto table = root.table("limits")) read_limits(*table, config.limits);
    std::set<std::string> names;
    for (Table& table : root.tables("device")) config.devices.push_back(read_device(table, names));
    root.finish();
  }
  return config;
}

}  // namespace holdfast::config
