#include "daemon/identity/unit.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/identity/assigned.h"
#include "daemon/identity/cgroup.h"

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
  if (!unit.empty()) return unit;
  // Whatever cgroups it makes below its own.
  const Assigned assigned = assigned_in(path);
  return assigned.container.empty() ? std::string(path) : assigned.container;
}

}  // namespace

Units units_of(std::string_view cgroup_text) {
  const auto cgroup = manager_cgroup(cgroup_text);
  if (!cgroup) return {};
  std::string_view rest = cgroup->path;
  Units units;
  // One that is gone, whose name is nobody's by now; but anyone may call a cgroup so, and is counted all the same.
  if (cgroup->deleted) {
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
  units.group = group_of(cgroup->path, units.unit);
  return units;
}

}  // namespace holdfast::identity
