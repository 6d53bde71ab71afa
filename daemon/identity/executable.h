// Which file a process runs, as far as the daemon's own view of the file system vouches for it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "daemon/base/posix.h"

namespace holdfast::identity {

struct Executable {
  std::string path;  // empty where nothing is known
  UniqueFd file;     // O_PATH
  struct statx status {};
};

// The path of /proc/PID/exe if in the daemon's own mount namespace that path is the very same file
// (device and inode), and it and every folder above it belong to root, nobody else may write them, and
// no FUSE server makes them up. A bind mount in a user namespace shows any path it likes, hence the comparison.
Executable executable_of(pid_t pid);

}  // namespace holdfast::identity
