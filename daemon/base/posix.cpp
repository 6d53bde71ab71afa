#include "daemon/base/posix.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "daemon/base/error.h"

namespace holdfast {

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

std::string read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd)
    throw_errno(errno == ENOENT ? ErrorKind::not_found : ErrorKind::internal, "open " + path);
  std::string text;
  for (;;) {
    char part[16384];
    const ssize_t n = ::read(fd.get(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(ErrorKind::internal, "read " + path);
    if (n == 0) return text;
    text.append(part, static_cast<std::size_t>(n));
    if (text.size() > limit)
      throw Error(ErrorKind::too_large,
                  path + " is larger than " + std::to_string(limit) + " bytes");
  }
}

void write_all(int fd, std::string_view text, std::string_view where) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(ErrorKind::internal, where);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void replace_file(const std::string& path, std::string_view text, unsigned mode) {
  const std::string temporary = path + ".tmp";
  {
    const UniqueFd fd(::open(temporary.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                             static_cast<mode_t>(mode)));
    if (!fd) throw_errno(ErrorKind::internal, "create " + temporary);
    write_all(fd.get(), text, "write " + temporary);
    if (::fsync(fd.get()) != 0) throw_errno(ErrorKind::internal, "fsync " + temporary);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    throw_errno(ErrorKind::internal, "rename " + temporary);
  const auto slash = path.rfind('/');
  sync_folder(slash == std::string::npos ? "." : path.substr(0, slash));
}

void sync_folder(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw_errno(ErrorKind::internal, "open " + path);
  if (::fsync(fd.get()) != 0) throw_errno(ErrorKind::internal, "fsync " + path);
}

}  // namespace holdfast
