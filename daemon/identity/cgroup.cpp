#include "daemon/identity/cgroup.h"

namespace holdfast::identity {

std::string_view first_component(std::string_view path) {
  return path.substr(0, path.find('/'));
}

void drop_first(std::string_view& path) {
  const auto slash = path.find('/');
  path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
}

namespace {

bool has_controller(std::string_view list, std::string_view wanted) {
  for (;;) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

struct Paths {
  std::optional<std::string_view> named, unified;
};

// cgroups(7): hierarchy-ID:controller-list:cgroup-path.
std::optional<Paths> paths_in(std::string_view text) {
  Paths paths;
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
      slot = &paths.unified;
    else if (has_controller(controllers, "name=systemd"))
      slot = &paths.named;
    if (slot == nullptr) continue;
    if (*slot) return std::nullopt;
    *slot = path;
  }
  return paths;
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

std::optional<Cgroup> manager_cgroup(std::string_view text) {
  constexpr std::string_view gone = " (deleted)";
  const auto paths = paths_in(text);
  if (!paths || (!paths->named && !paths->unified)) return std::nullopt;
  Cgroup cgroup{paths->named ? *paths->named : *paths->unified, paths->named.has_value(), false};
  if (!is_plain(cgroup.path)) return std::nullopt;
  cgroup.path.remove_prefix(1);
  cgroup.deleted = cgroup.path.ends_with(gone);
  return cgroup;
}

}  // namespace holdfast::identity
