#include "daemon/identity/observer.h"

#include <fcntl.h>
#include <poll.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/identity/assigned.h"
#include "daemon/identity/cgroup.h"
#include "daemon/identity/executable.h"
#include "daemon/identity/owned.h"

namespace holdfast::identity {
namespace {

constexpr std::size_t kMaxStatus = 64 * 1024;

// Names count only where root alone could have given them.
void assign(Process& process, const CgroupTrees& trees) {
  const auto cgroup = manager_cgroup(process.cgroup);
  if (!cgroup || cgroup->deleted) return;
  Assigned assigned = assigned_in(cgroup->path);
  if (assigned.label.empty() && assigned.container.empty()) return;
  if (!is_roots(trees.of(*cgroup), assigned.folder)) return;
  process.label = std::move(assigned.label);
  process.container = std::move(assigned.container);
  process.pod = std::move(assigned.pod);
}

std::optional<struct statx> pid_namespace_of(const std::string& process) {
  struct statx file {};
  if (!inspect(AT_FDCWD, ("/proc/" + process + "/ns/pid").c_str(), 0, file)) return std::nullopt;
  return file;
}

// Sooner told than by the text of status, and nearly always the answer.
bool is_in_our_pid_namespace(pid_t pid) {
  static const auto ours = pid_namespace_of("self");
  const auto theirs = pid_namespace_of(std::to_string(pid));
  return ours && theirs && is_same_file(*ours, *theirs);
}

}  // namespace

// proc(5), fdinfo: "Pid:", which is -1 once it was reaped.
pid_t pid_of(int pidfd) {
  constexpr std::size_t most = 4096;
  try {
    const std::string text = read_file("/proc/self/fdinfo/" + std::to_string(pidfd), most);
    constexpr std::string_view name = "\nPid:\t";
    const auto at = text.find(name);
    pid_t pid = 0;
    if (at != std::string::npos)
      std::from_chars(text.data() + at + name.size(), text.data() + text.size(), pid);
    return pid;
  } catch (const Error&) {
    return 0;
  }
}

std::string cgroup_of(pid_t pid) {
  try {
    return read_file("/proc/" + std::to_string(pid) + "/cgroup", kMaxCgroupText);
  } catch (const Error&) {
    return {};
  }
}

bool is_nested(pid_t pid) {
  if (is_in_our_pid_namespace(pid)) return false;
  constexpr std::string_view name = "\nNSpid:\t";
  try {
    const std::string text = read_file("/proc/" + std::to_string(pid) + "/status", kMaxStatus);
    const auto at = text.find(name);
    if (at == std::string::npos) return false;  // a kernel without pid namespaces
    const std::string_view rest = std::string_view(text).substr(at + name.size());
    return rest.substr(0, rest.find('\n')).find('\t') != std::string_view::npos;
  } catch (const Error&) {
    return true;
  }
}

Process Observer::process_of(int pidfd, bool measure) {
  const pid_t pid = pid_of(pidfd);
  if (pid <= 0) return {};
  Process process;
  const Executable executable = executable_of(pid);
  process.exe = executable.path;
  process.cgroup = cgroup_of(pid);
  process.nested = is_nested(pid);
  assign(process, trees_);
  if (measure) {
    Digests::Answer digest = digests_.of(executable);
    process.measuring = digest.pending;
    process.exe_sha256 = std::move(digest.hex);
  }
  // Alive now, so what was read was not about one that got its pid.
  pollfd ended{pidfd, POLLIN, 0};
  return ::poll(&ended, 1, 0) == 0 ? process : Process();
}

}  // namespace holdfast::identity
