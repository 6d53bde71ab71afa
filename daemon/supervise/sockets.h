// The listening sockets: inherited from systemd, or made in the runtime folder.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/base/posix.h"

namespace holdfast::supervise {

// Owned by the supervisor, so that connections queue while the core is being replaced.
struct Listener {
  std::string kind;  // application, admin, metrics
  UniqueFd socket;
  std::string path;  // of the one that was made here and has to be removed; else empty
  ino_t inode = 0;
};

// All three. Inherited ones are known by their names (application, admin, metrics), else by the ends
// of their paths. Made ones appear under their name with mode and group (`admin_group`, empty: our
// own) already right. Throws Error{invalid_request, internal}.
std::vector<Listener> open_listeners(const std::string& runtime_folder,
                                     const std::string& admin_group);

// Removes those that were made here and are still in their place.
void remove_listeners(const std::vector<Listener>& listeners);

}  // namespace holdfast::supervise
