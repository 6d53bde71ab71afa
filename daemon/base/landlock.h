// Which files a process may open from now on (landlock(7)): what its permissions allow and this list too.
#pragma once

#include <string>
#include <vector>

namespace holdfast {

// Files, or folders with all below them. A rule is for the file that is there when it is made, so what
// others replace (/etc/passwd) needs its folder here. What does not exist is left out.
struct FileRules {
  std::vector<std::string> read;
  std::vector<std::string> write;    // and make, rename within, and remove
  std::vector<std::string> devices;  // read, write and control
  bool tcp = false;                  // may it listen and connect?
};

// What the kernel's version of Landlock knows is forbidden unless `rules` allow it: files; from Linux 6.7
// TCP, from 6.12 abstract Unix sockets of others and signals to others. Needs no_new_privs; before any
// thread is started. Returns that version, 0 where the kernel has none. Throws Error{internal}.
int restrict_files(const FileRules& rules);

}  // namespace holdfast
