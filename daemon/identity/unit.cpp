#include "daemon/identity/unit.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace holdfast::identity {
namespace {

constexpr std::size_t kMaxUnitName = 255;  // unit_name_is_valid: below UNIT_NAME_MAX, 256

// systemd.unit(5): what the manager itself would accept as a unit's name.
bool is_unit_name(std::string_view name, bool may_be_instance) {
  static constexpr std::array<std::string_view, 11> kTypes = {
      "service", "socket", "target", "device", "mount", "automount",
      "swap",    "timer",  "path",   "slice",  "scope"};
  if (name.size() > kMaxUnitName) return false;
  const auto dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  if (std::find(kTypes.begin(), kTypes.end(), name.substr(dot + 1)) == kTypes.end()) return false;
  const std::string_view stem = name.substr(0, dot);
  for (const char c : stem) {
    const bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("@:-_.\\").find(c) != std::string_view::npos;
    if (!known) return false;
  }
  const auto at = stem.find('@');
  if (at == std::string_view::npos) return true;
  return may_be_instance && at > 0 && at + 1 < stem.size();
}

// systemd puts '_' before a name that the kernel could take for a file of its own.
std::string_view unescaped(std::string_view component) {
  if (component.starts_with('_')) component.remove_prefix(1);
  return component;
}

std::string_view first_component(std::string_view path) {
  return path.substr(0, path.find('/'));
}

// Both take a path that begins with a component, not with '/'.
void drop_first(std::string_view& path) {
  const auto slash = path.find('/');
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
}
void drop_slices(std::string_view& path) {
  for (;;) {
    const auto component = first_component(path);
    if (!component.ends_with(".slice") || !is_unit_name(unescaped(component), false)) return;
    drop_first(path);
  }
}

std::string first_unit(std::string_view path) {
  drop_slices(path);
  const auto name = unescaped(first_component(path));
  if (!is_unit_name(name, true) || name.ends_with(".slice")) return {};
  return std::string(name);
}

// UID of "user@UID.service". As systemd's parse_uid: plain decimal, and neither of the two invalid
// ids.
std::optional<uid_t> user_manager(std::string_view unit) {
  constexpr std::string_view before = "user@";
  constexpr std::string_view after = ".service";
  if (!unit.starts_with(before) || !unit.ends_with(after) ||
      unit.size() <= before.size() + after.size())
    return std::nullopt;
  unit.remove_prefix(before.size());
  unit.remove_suffix(after.size());
  if (unit.size() > 1 && unit.front() == '0') return std::nullopt;
  uid_t uid = 0;
  const auto [end, ec] = std::from_chars(unit.data(), unit.data() + unit.size(), uid);
  if (ec != std::errc() || end != unit.data() + unit.size()) return std::nullopt;
  if (uid == 0xffff || uid == 0xffffffff) return std::nullopt;
  return uid;
}

// pam_systemd(8): the sessions and the manager of one user are below user.slice/user-UID.slice.
std::string group_of(std::string_view path, const std::string& unit) {
  constexpr std::string_view users = "user.slice/";
  const std::string_view slice =
      path.starts_with(users) ? first_component(path.substr(users.size())) : std::string_view();
  if (slice.starts_with("user-") && slice.ends_with(".slice")) return std::string(slice);
  return unit.empty() ? std::string(path) : unit;
}

bool has_controller(std::string_view list, std::string_view wanted) {
  for (;;) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// cgroups(7): hierarchy-ID:controller-list:cgroup-path. The path of the v1 hierarchy named systemd
// if there is one, else of the unified one. nullopt if any line is odd or one of the two stands
// twice.
std::optional<std::string_view> manager_path(std::string_view text) {
  std::optional<std::string_view> named;
  std::optional<std::string_view> unified;
  while (!text.empty()) {
    const auto newline = text.find('\n');
    if (newline == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline + 1);
    const auto colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos) return std::nullopt;
    const auto second = line.find(':', colon + 1);
    if (second == std::string_view::npos) return std::nullopt;
    const std::string_view id = line.substr(0, colon);
    const std::string_view controllers = line.substr(colon + 1, second - colon - 1);
    const std::string_view path = line.substr(second + 1);
    if (id.find_first_not_of("0123456789") != std::string_view::npos || !path.starts_with('/'))
      return std::nullopt;
    std::optional<std::string_view>* slot = nullptr;
    if (id == "0" && controllers.empty())
      slot = &unified;
    else if (has_controller(controllers, "name=systemd"))
      slot = &named;
    if (slot == nullptr) continue;
    if (*slot) return std::nullopt;
    *slot = path;
  }
  return named ? named : unified;
}

// "/.." is a cgroup outside our cgroup namespace: the names below it are nobody's. Empty and "." components are
// not the kernel's.
bool is_plain(std::string_view path) {
  path.remove_prefix(1);
  while (!path.empty()) {
    const auto component = first_component(path);
    if (component.empty() || component == "." || component == "..") return false;
    if (component.size() + 1 == path.size()) return false;  // a slash at the end
    drop_first(path);
  }
  return true;
}

}  // namespace

Units units_of(std::string_view cgroup_text) {
  const auto path = manager_path(cgroup_text);
  if (!path || !is_plain(*path)) return {};
  std::string_view rest = path->substr(1);
  Units units;
  // One that is gone, whose name is nobody's by now; but anyone may call a cgroup so, and is counted all the same.
  if (path->ends_with(" (deleted)")) {
    units.group = group_of(rest, first_unit(rest));
    return units;
  }
  units.unit = first_unit(rest);
  units.user_manager = user_manager(units.unit);
  if (units.user_manager) {
    drop_slices(rest);
    drop_first(rest);
    units.user_unit = first_unit(rest);
  }
  units.group = group_of(path->substr(1), units.unit);
  return units;
}

}  // namespace holdfast::identity
