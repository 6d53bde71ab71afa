// What holdfast-caller sees of a process.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/identity/digests.h"
#include "daemon/identity/question.h"
#include "daemon/identity/trees.h"

namespace holdfast::identity {

class Observer {
 public:
  // The process that a pidfd stands for, which was alive when it had been looked at; else empty. `measure`: the
  // digest of its executable too.
  Process process_of(int pidfd, bool measure);

  // What was begun for a digest, a piece at a time.
  bool busy() const { return digests_.busy(); }
  void work() { digests_.work(); }

 private:
  CgroupTrees trees_ = own_trees();
  Digests digests_;
};

// The text of /proc/PID/cgroup. Empty if it can't be read: the process has ended, or /proc hides it.
std::string cgroup_of(pid_t pid);

// The process that a pidfd stands for, as /proc numbers it; not positive if it has ended.
pid_t pid_of(int pidfd);

// Is it in a pid namespace below ours? proc(5), NSpid in /proc/PID/status. True where that can't be read.
bool is_nested(pid_t pid);

}  // namespace holdfast::identity
