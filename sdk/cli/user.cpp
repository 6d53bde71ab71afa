#include "sdk/cli/user.h"

#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

// Of root's environment: how to write for a person, and where the daemon is. HOLDFAST_ADMIN_SOCKET is not among them.
bool is_handed_on(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kNames{"LANG", "LANGUAGE", "TERM", "TZ",
                                                          "HOLDFAST_SOCKET"};
  return name.starts_with("LC_") || std::ranges::find(kNames, name) != kNames.end();
}

void start_environment(const User& user) {
  std::vector<std::pair<std::string, std::string>> kept{
      {"PATH", "/usr/local/bin:/usr/bin:/bin"},
      {"HOME", user.home},
      {"USER", user.name},
      {"LOGNAME", user.name},
      {"SHELL", user.shell.empty() ? "/bin/sh" : user.shell}};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t sign = text.find('=');
    if (sign != text.npos && is_handed_on(text.substr(0, sign)))
      kept.emplace_back(text.substr(0, sign), text.substr(sign + 1));
  }
  ::clearenv();
  for (const auto& [name, value] : kept) ::setenv(name.c_str(), value.c_str(), 1);
}

}  // namespace

User user_named(const std::string& name) {
  const passwd* entry = ::getpwnam(name.c_str());
  if (entry == nullptr) throw Failure(Exit::usage, "no such user: " + name);
  return {entry->pw_name, entry->pw_dir, entry->pw_shell, entry->pw_uid, entry->pw_gid};
}

void become(const User& user) {
  // Typing into a terminal (TIOCSTI, TIOCLINUX) takes that it is the session's own: ioctl_tty(2).
  ::setsid();
  if (::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) != 0 ||
      ::initgroups(user.name.c_str(), user.gid) != 0 ||
      ::setresgid(user.gid, user.gid, user.gid) != 0 ||
      ::setresuid(user.uid, user.uid, user.uid) != 0)
    throw Failure(Exit::failed, "can't become " + user.name + ": " + std::strerror(errno));
  // Whoever is in root's session keyring may read its keys: session-keyring(7). Where this is forbidden, as in
  // containers, keyctl(2) is to the command, too.
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  start_environment(user);
}

}  // namespace holdfast::cli
