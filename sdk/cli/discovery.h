// Which socket to talk to, and whether it is the daemon's: THREATS row 21, a false daemon.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "daemon/base/posix.h"

namespace holdfast::cli {

// sockaddr_un.sun_path without its terminator.
inline constexpr std::size_t kMaxSocketPath = 107;

// `option` (of --socket) if it is given, else the first that exists of $HOLDFAST_SOCKET,
// $XDG_RUNTIME_DIR/holdfast/holdfast.sock and /run/holdfast/holdfast.sock. Throws Failure.
std::string find_application_socket(const std::string& option);
// admin.sock beside `option`, else $HOLDFAST_ADMIN_SOCKET, else admin.sock beside the other.
std::string find_admin_socket(const std::string& option);

// Those whose socket is taken for the daemon's: root, the user `holdfast`, and the own user.
std::vector<uid_t> trusted_owners();

// Throws Failure unless `path` itself (no symbolic link) is a socket of a trusted owner, in a
// folder of a trusted owner where nobody else can put another one in its place.
void check_socket(const std::string& path, const std::vector<uid_t>& trusted);

// Checks and connects; then asks the kernel who listens, so that a swap after the check gains
// nothing. Non-blocking, close-on-exec.
UniqueFd connect_socket(const std::string& path, const std::vector<uid_t>& trusted, bool admin);

}  // namespace holdfast::cli
