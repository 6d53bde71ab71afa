#include "daemon/identity/trees.h"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/split.hpp>
#include <sstream>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/identity/owned.h"

namespace holdfast::identity {

CgroupTrees trees_in(std::string_view mountinfo) {
  CgroupTrees trees;
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    // proc(5): ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [TAG…] - TYPE SOURCE SUPER-OPTIONS
    std::istringstream fields(line);
    std::string id, parent, device, root, place, field, type, source, options;
    fields >> id >> parent >> device >> root >> place;
    while (fields >> field && field != "-") {
    }
    fields >> type >> source >> options;
    if (!fields || root != "/") continue;
    std::vector<std::string> all;
    boost::algorithm::split(all, options, boost::algorithm::is_any_of(","));
    const bool named = std::ranges::find(all, "name=systemd") != all.end();
    if (type == "cgroup" && named && trees.named.empty()) trees.named = place;
    if (type == "cgroup2" && trees.unified.empty()) trees.unified = place;
  }
  return trees;
}

CgroupTrees own_trees() {
  constexpr std::size_t most = 4 * 1024 * 1024;
  try {
    return trees_in(read_file("/proc/self/mountinfo", most));
  } catch (const Error&) {
    return {};
  }
}

bool is_roots(const std::string& mount, std::string_view folder) {
  if (mount.empty()) return false;
  struct statx file {};
  const std::string path = folder.empty() ? mount : mount + "/" + std::string(folder);
  return static_cast<bool>(open_owned_by_root(path, file)) && S_ISDIR(file.stx_mode);
}

}  // namespace holdfast::identity
