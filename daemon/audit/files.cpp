#include "daemon/audit/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdio>

namespace holdfast::audit {

int Files::open(const char* path, int flags, mode_t mode) {
  return ::open(path, flags, mode);
}
ssize_t Files::write(int fd, const char* data, std::size_t size) {
  return ::write(fd, data, size);
}
int Files::sync(int fd) {
  return ::fsync(fd);
}
int Files::truncate(int fd, off_t size) {
  return ::ftruncate(fd, size);
}
int Files::rename(const char* from, const char* to) {
  return std::rename(from, to);
}
int Files::remove(const char* path) {
  return ::unlink(path);
}
std::uint64_t Files::free_bytes(const char* path) {
  struct statvfs status {};
  if (::statvfs(path, &status) != 0) return UINT64_MAX;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}
int Files::make_folder(const char* path, mode_t mode) {
  return ::mkdir(path, mode);
}

Files& system_files() {
  // Never destroyed: a worker that a dead disk holds back may outlive main().
  static Files& files = *new Files;
  return files;
}

}  // namespace holdfast::audit
