// The cgroup of a labelled command: a scope of systemd's where systemd runs, else a folder that we make. Only for root.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/base/posix.h"

namespace holdfast::cli {

// Ends with the process that made it, however that ends: a process of root's stays in the scope to see to it.
class Scope {
 public:
  // `name` in system.slice. Throws Failure where no cgroup tree is.
  explicit Scope(const std::string& name);
  Scope(const Scope&) = delete;
  // Kills what is left in it, and has it removed. Waits a few seconds at most.
  ~Scope();

  // Puts the calling process, a child of the one that made this, and so what it starts from now on into it. Throws
  // Failure.
  void enter() const;

 private:
  [[noreturn]] void guard(int gone) const;
  void end() const;

  const std::string name_, folder_;
  UniqueFd alive_;  // closes when we end
  pid_t guard_ = -1;
};

}  // namespace holdfast::cli
