// The cgroup of a labelled command: a scope of systemd's where systemd runs, else a folder that we make. Only for root.
#pragma once

#include <string>

namespace holdfast::cli {

// Puts this process, and so what it starts from now on, into the new scope `name` of system.slice. Throws Failure.
void enter_scope(const std::string& name);

// Kills what is left in it, and has it removed. Waits a few seconds at most.
void end_scope(const std::string& name);

}  // namespace holdfast::cli
