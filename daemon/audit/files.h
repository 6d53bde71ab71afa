// Every system call by which the log changes the disk, so that a test can make each of them fail,
// stall or be the last one. The class itself is the system.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace holdfast::audit {

// Results and errno are the system call's own. Used by one thread at a time.
class Files {
 public:
  virtual ~Files() = default;
  virtual int open(const char* path, int flags, mode_t mode);
  virtual ssize_t write(int fd, const char* data, std::size_t size);
  virtual int sync(int fd);  // fsync(2)
  virtual int truncate(int fd, off_t size);
  virtual int rename(const char* from, const char* to);
  virtual int remove(const char* path);  // unlink(2)
  virtual std::uint64_t free_bytes(
      const char* path);  // statvfs(3), for us; the most there is where that fails
  virtual int make_folder(const char* path, mode_t mode);
};

Files& system_files();

}  // namespace holdfast::audit
