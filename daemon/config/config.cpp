#include "daemon/config/config.h"

#include <algorithm>
#include <set>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/config/table.h"

namespace holdfast::config {
namespace {

// sizeof(sockaddr_un::sun_path) without the final NUL, and the longest socket name in runtime_dir.
constexpr std::size_t kMaxSocketPath = 107;
constexpr std::string_view kLongestSocket = "/holdfast.sock";

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

std::string one_of(Table& table, std::string_view key,
                   std::initializer_list<std::string_view> known, std::string fallback) {
  auto value = table.text(key);
  if (!value) return fallback;
  if (std::ranges::find(known, std::string_view(*value)) != known.end()) return std::move(*value);
  std::string list;
  for (const std::string_view name : known)
    list.append(list.empty() ? "\"" : ", \"").append(name).append("\"");
  table.fail(key, "is " + log::escape(*value) + "; it has to be one of " + list);
}

std::string absolute_folder(Table& table, std::string_view key, std::string fallback) {
  auto value = table.text(key);
  if (!value) return fallback;
  if (!value->starts_with('/') || has_control(*value))
    table.fail(key, "has to be an absolute path, such as \"" + fallback + "\"");
  while (value->size() > 1 && value->ends_with('/')) value->pop_back();
  return std::move(*value);
}

std::string account(Table& table, std::string_view key) {
  auto value = table.text(key);
  if (!value) return {};
  if (value->empty() || has_control(*value) || value->find_first_of(" :/,") != std::string::npos)
    table.fail(key, "has to be the name of a user or group; leave it out to stay who starts it");
  return std::move(*value);
}

void read_daemon(Table& table, Config& config) {
  config.state_dir = absolute_folder(table, "state_dir", config.state_dir);
  config.runtime_dir = absolute_folder(table, "runtime_dir", config.runtime_dir);
  config.allow_software_devices = table.boolean("allow_software_devices").value_or(false);
  config.user = account(table, "user");
  config.device_user = account(table, "device_user");
  config.admin_group = account(table, "admin_group");
  config.log_level =
      one_of(table, "log_level", {"debug", "info", "warning", "error"}, config.log_level);
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

Device read_device(Table& table, std::set<std::string>& names) {
  Device device;
  device.name = table.required_text("name");
  if (!is_name(device.name))
    table.fail("name", "is " + log::escape(device.name.substr(0, 128)) +
                           "; a device's name is [a-z0-9][a-z0-9._-]{0,62}");
  table.rename("device \"" + device.name + "\"");
  if (!names.insert(device.name).second) table.fail("name", "is given to two devices: rename one");
  device.backend = table.required_text("backend");
  if (device.backend != "tpm")
    table.fail("backend", "is " + log::escape(device.backend.substr(0, 128)) +
                              ", which is not built in; there is \"tpm\"");
  device.tcti = table.required_text("tcti");
  if (device.tcti.empty() || has_control(device.tcti))
    table.fail("tcti", "has to say how the TPM is reached, such as \"device:/dev/tpmrm0\"");
  device.sessions = one_of(table, "sessions", {"encrypted", "plain"}, device.sessions);
  table.finish();
  return device;
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
    root.tables("grant");  // policy reads them
    if (i > 0) {
      for (const std::string_view name : {"daemon", "audit", "limits", "device"})
        if (parsed.contains(name))
          root.fail(name, "belongs in " + config.path + ": files of policy.d hold only [[grant]]");
      root.finish();
      continue;
    }
    if (auto table = root.table("daemon")) read_daemon(*table, config);
    if (auto table = root.table("audit")) {
      config.durability = one_of(*table, "durability", {"written", "fsync"}, "written") == "fsync"
                              ? Durability::fsync
                              : Durability::written;
      table->finish();
    }
    if (auto table = root.table("limits")) read_limits(*table, config.limits);
    std::set<std::string> names;
    for (Table& table : root.tables("device")) config.devices.push_back(read_device(table, names));
    root.finish();
  }
  return config;
}

}  // namespace holdfast::config
