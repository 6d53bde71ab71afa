// Where the cgroup trees are mounted, and who owns what is in them.
#pragma once

#include <string>
#include <string_view>

#include "daemon/identity/cgroup.h"

namespace holdfast::identity {

struct CgroupTrees {
  std::string named;    // mount point of the v1 hierarchy "name=systemd"; empty if there is none
  std::string unified;  // and of the unified one
  const std::string& of(const Cgroup& cgroup) const { return cgroup.named ? named : unified; }
};

// Of the text of /proc/self/mountinfo (proc(5)): mounts of whole trees, as our cgroup namespace sees them, so that
// the paths of /proc/PID/cgroup hold below them.
CgroupTrees trees_in(std::string_view mountinfo);
CgroupTrees own_trees();  // empty where that can't be read

// Do this folder of the tree mounted there, and all above it, belong to root alone?
bool is_roots(const std::string& mount, std::string_view folder);

}  // namespace holdfast::identity
