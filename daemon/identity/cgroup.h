// Where a process is in the tree that the system manager names: what units, labels and containers are read from.
#pragma once

#include <optional>
#include <string_view>

namespace holdfast::identity {

struct Cgroup {
  std::string_view path;  // from the tree's root, without a slash before it; plain components only
  bool named = false;     // of the v1 hierarchy "name=systemd", else of the unified one
  bool deleted = false;   // its name, at whose end the kernel says so, may be another's by now
};

// Of the text of /proc/PID/cgroup: the v1 hierarchy named systemd if there is one, else the unified one. nullopt
// if any line is odd, one of the two stands twice, or the path is outside our cgroup namespace.
std::optional<Cgroup> manager_cgroup(std::string_view text);

// Both take a path that begins with a component, not with '/'.
std::string_view first_component(std::string_view path);
void drop_first(std::string_view& path);

}  // namespace holdfast::identity
