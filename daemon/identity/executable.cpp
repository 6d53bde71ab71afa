#include "daemon/identity/executable.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::identity {
namespace {

// AT_STATX_DONT_SYNC: another user's FUSE server must not be able to stall the event loop.
bool inspect(int folder, const char* path, int flags, struct statx& file) {
  return ::statx(folder, path, flags | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &file) == 0;
}

bool only_root_writes(const struct statx& file) {
  return file.stx_uid == 0 && (file.stx_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// Opens the path one name at a time, following no link and leaving at the first folder that
// somebody other than root could have changed; so it never enters a file system that a user mounted
// either.
bool inspect_owned_by_root(std::string_view path, struct statx& file) {
  UniqueFd here(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!here || !inspect(here.get(), "", AT_EMPTY_PATH, file)) return false;
  while (!path.empty()) {
    if (!only_root_writes(file)) return false;
    path.remove_prefix(1);
    const auto slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash);
    if (name.empty() || name == "." || name == "..") return false;
    here = UniqueFd(::openat(here.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!here || !inspect(here.get(), "", AT_EMPTY_PATH, file)) return false;
  }
  return S_ISREG(file.stx_mode) && only_root_writes(file);
}

}  // namespace

std::string executable_of(pid_t pid) {
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  std::array<char, PATH_MAX> text;
  const ssize_t size = ::readlink(link.c_str(), text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) >= text.size()) return {};
  const std::string_view path(text.data(), static_cast<std::size_t>(size));
  if (!path.starts_with('/') || path.ends_with(" (deleted)")) return {};
  struct statx named {};
  struct statx running {};
  if (!inspect_owned_by_root(path, named) || !inspect(AT_FDCWD, link.c_str(), 0, running))
    return {};
  const bool same = named.stx_ino == running.stx_ino &&
                    named.stx_dev_major == running.stx_dev_major &&
                    named.stx_dev_minor == running.stx_dev_minor;
  return same ? std::string(path) : std::string();
}

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

Process process_of(int pidfd) {
  const pid_t pid = pid_of(pidfd);
  if (pid <= 0) return {};
  Process process{executable_of(pid), cgroup_of(pid)};
  // Alive now, so what was read was not about one that got its pid.
  pollfd ended{pidfd, POLLIN, 0};
  return ::poll(&ended, 1, 0) == 0 ? process : Process();
}

}  // namespace holdfast::identity
