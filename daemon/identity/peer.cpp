#include "daemon/identity/peer.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/base/error.h"
#include "daemon/identity/unit.h"
#include "daemon/identity/user_name.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; absent from Debian 12's headers
#endif

namespace holdfast::identity {
namespace {

constexpr std::size_t kMaxLabel = 4096;
constexpr std::chrono::seconds kMeasurePatience{10};
constexpr std::chrono::milliseconds kMeasurePause{20};

// Invalid where the kernel has no such option. Throws Error{not_permitted} if the process is gone
// already: before 6.16 the kernel then has nothing to point at.
UniqueFd peer_pidfd(int socket) {
  int fd = -1;
  socklen_t size = sizeof fd;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0) return UniqueFd(fd);
  if (errno == ENOPROTOOPT) return UniqueFd();
  if (errno == ESRCH || errno == EINVAL || errno == ENODATA)
    throw Error(ErrorKind::not_permitted, "the process that connected has ended", "SO_PEERPIDFD",
                errno);
  throw_errno(ErrorKind::internal, "SO_PEERPIDFD");
}

ucred peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    throw_errno(ErrorKind::internal, "SO_PEERCRED");
  return credentials;
}

std::vector<gid_t> peer_groups(int socket) {
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int rc = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (rc != 0 && errno != ERANGE) throw_errno(ErrorKind::internal, "SO_PEERGROUPS");
    groups.resize(size / sizeof(gid_t));
    if (rc == 0) return groups;
  }
}

// Empty where no security module labels sockets.
std::string peer_security_label(int socket) {
  std::string label(kMaxLabel, '\0');
  auto size = static_cast<socklen_t>(label.size());
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERSEC, label.data(), &size) != 0) return {};
  label.resize(size);
  return label.substr(0, label.find('\0'));  // modules differ in whether they count the final zero
}

// What an id of a user namespace that we can't see into is shown as: anybody's.
uid_t overflow_uid() {
  static const uid_t uid = [] {
    uid_t value = 65534;
    try {
      const std::string text = read_file("/proc/sys/kernel/overflowuid", 32);
      std::from_chars(text.data(), text.data() + text.size(), value);
    } catch (const Error&) {
      // Not shown in this mount namespace: the kernel's default stands.
    }
    return value;
  }();
  return uid;
}

bool has_ended(int pidfd) {
  pollfd process{pidfd, POLLIN, 0};
  int rc;
  do {
    rc = ::poll(&process, 1, 0);
  } while (rc < 0 && errno == EINTR);
  return rc != 0;
}

}  // namespace

Peer Peer::of(int socket) {
  Peer peer;
  Caller& caller = peer.caller_;
  const ucred credentials = peer_credentials(socket);
  if (credentials.pid <= 0)
    throw Error(ErrorKind::not_permitted,
                "the caller's process is not visible from the daemon's pid namespace");
  if (credentials.uid == overflow_uid() || credentials.uid == static_cast<uid_t>(-1))
    throw Error(ErrorKind::not_permitted,
                "the caller's uid has no meaning outside its user namespace, or is nobody's");
  peer.pidfd_ = peer_pidfd(socket);
  caller.pid = credentials.pid;
  caller.uid = credentials.uid;
  caller.account = credentials.uid;
  caller.gid = credentials.gid;
  caller.groups = peer_groups(socket);
  std::erase(caller.groups, caller.gid);
  caller.security_label = peer_security_label(socket);
  peer.complete_ = !peer.pidfd_;  // the pid alone may be somebody else's by now
  peer.measured_ = peer.complete_;
  caller.nested = !peer.complete_;  // until it is known that it is not
  peer.require_alive();
  return peer;
}

boost::asio::awaitable<void> Peer::complete(Processes& processes, Groups& groups) {
  if (complete_) co_return;
  std::optional<Process> process = co_await processes.of(pidfd_.get(), false);
  require_alive();
  if (!process) co_return;
  Units units = units_of(process->cgroup);
  group_ = std::move(units.group);
  if (!group_.empty()) caller_.account = groups.number_of(group_);
  caller_.unit = std::move(units.unit);
  // A setuid program below another user's manager: that user chose the name, and is not this one.
  if (units.user_manager == caller_.uid) caller_.user_unit = std::move(units.user_unit);
  caller_.exe = std::move(process->exe);
  caller_.label = std::move(process->label);
  caller_.container = std::move(process->container);
  caller_.pod = std::move(process->pod);
  caller_.nested = process->nested;
  complete_ = true;
}

boost::asio::awaitable<void> Peer::measure(Processes& processes) {
  boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor);
  const auto deadline = std::chrono::steady_clock::now() + kMeasurePatience;
  while (!measured_ && std::chrono::steady_clock::now() < deadline) {
    const std::optional<Process> process = co_await processes.of(pidfd_.get(), true);
    require_alive();
    measured_ = process && !process->measuring;
    // What it ran when it connected, or it is no digest of that.
    if (measured_ && process->exe == caller_.exe) caller_.exe_sha256 = process->exe_sha256;
    if (measured_) co_return;
    pause.expires_after(kMeasurePause);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
}

void Peer::name_user() {
  if (std::exchange(named_, true)) return;
  caller_.user = user_name(caller_.uid);
}

void Peer::require_alive() const {
  if (!alive()) throw Error(ErrorKind::not_permitted, "the process that connected has ended");
}

bool Peer::alive() const {
  return !pidfd_ || !has_ended(pidfd_.get());
}

std::string process_identity_gap() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    throw_errno(ErrorKind::internal, "socketpair");
  const UniqueFd one(pair[0]);
  const UniqueFd other(pair[1]);
  if (!peer_pidfd(one.get()))
    return "the kernel has no SO_PEERPIDFD (Linux 6.5 or newer has), so a caller's unit and "
           "executable "
           "can't be known for certain";
  return {};
}

}  // namespace holdfast::identity
