// What a process is, for holdfast-caller: which file it runs, as far as the daemon's own view of the file system vouches for it.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/identity/question.h"

namespace holdfast::identity {

// The path of /proc/PID/exe if in the daemon's own mount namespace that path is the very same file
// (device and inode), and it and every folder above it belong to root and nobody else may write
// them; else empty. A bind mount in a user namespace shows any path it likes, hence the comparison.
std::string executable_of(pid_t pid);

// The text of /proc/PID/cgroup. Empty if it can't be read: the process has ended, or /proc hides it.
std::string cgroup_of(pid_t pid);

// The process that a pidfd stands for, as /proc numbers it; not positive if it has ended.
pid_t pid_of(int pidfd);

// Both of that process, which was alive when they had been read; else empty.
Process process_of(int pidfd);

}  // namespace holdfast::identity
