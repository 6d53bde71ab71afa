// The user that root runs a command as, and what of root's own session that command does not get.
#pragma once

#include <sys/types.h>

#include <string>

namespace holdfast::cli {

struct User {
  std::string name, home, shell;
  uid_t uid;
  gid_t gid;
};

// Throws Failure where there is none of this name.
User user_named(const std::string& name);

// Makes this process, a child of root's that is to become the command, one of the user's: with its ids and groups, in a
// session of its own, and with an environment and a keyring that start anew. Of the open files only the standard ones
// stay. Throws Failure.
void become(const User& user);

}  // namespace holdfast::cli
