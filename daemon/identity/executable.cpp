#include "daemon/identity/executable.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string_view>

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

}  // namespace holdfast::identity
