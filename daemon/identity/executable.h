// Which file a process runs, as far as the daemon's own view of the file system vouches for it.
#pragma once

#include <sys/types.h>

#include <string>

namespace holdfast::identity {

// The path of /proc/PID/exe if in the daemon's own mount namespace that path is the very same file
// (device and inode), and it and every folder above it belong to root and nobody else may write
// them; else empty. A bind mount in a user namespace shows any path it likes, hence the comparison.
std::string executable_of(pid_t pid);

}  // namespace holdfast::identity
