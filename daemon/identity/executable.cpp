#include "daemon/identity/executable.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "daemon/identity/owned.h"

namespace holdfast::identity {
namespace {

bool is_made_up(int file) {
  struct statfs system {};
  return ::fstatfs(file, &system) != 0 || system.f_type == FUSE_SUPER_MAGIC;
}

}  // namespace

Executable executable_of(pid_t pid) {
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  std::array<char, PATH_MAX> text;
  const ssize_t size = ::readlink(link.c_str(), text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) >= text.size()) return {};
  const std::string_view path(text.data(), static_cast<std::size_t>(size));
  if (!path.starts_with('/') || path.ends_with(" (deleted)")) return {};
  Executable found;
  found.file = open_owned_by_root(path, found.status);
  struct statx running {};
  if (!found.file || !S_ISREG(found.status.stx_mode) || is_made_up(found.file.get()) ||
      !inspect(AT_FDCWD, link.c_str(), 0, running) || !is_same_file(found.status, running))
    return {};
  found.path = path;
  return found;
}

}  // namespace holdfast::identity
