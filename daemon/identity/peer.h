// The other end of one connection, as the kernel tells it.
#pragma once

#include <sys/socket.h>

#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/caller.h"
#include "daemon/base/posix.h"
#include "daemon/identity/groups.h"
#include "daemon/identity/processes.h"

namespace holdfast::identity {

// Made once per connection; the pidfd then stands for the process.
class Peer {
 public:
  // What the socket knows: SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD, SO_PEERSEC. Throws
  // Error{not_permitted} for a pid ≤ 0, the overflow uid, and a process that has ended.
  static Peer of(int socket);

  const Caller& caller() const { return caller_; }
  // With whom the caller shares what one may have; see Units.
  const std::string& group() const { return group_; }

  // Is everything known that can be?
  bool is_complete() const { return complete_; }
  // Unit and executable, asked for until there is an answer. Then checks that the process is alive, so that
  // what was read was about it. Throws Error{not_permitted} if it has ended.
  boost::asio::awaitable<void> complete(Processes& processes, Groups& groups);

  // Is it known which file it runs, to the byte, as far as that can be known?
  bool is_measured() const { return measured_; }
  // The digest of its executable, for which a large file needs a while. Throws Error{not_permitted} if the
  // process has ended.
  boost::asio::awaitable<void> measure(Processes& processes);

  // Looks the name of the uid up, once: before the first request and not before, for a connection that is
  // turned away should not cost a look into the user database.
  void name_user();
  // Is the process that connected still there? True where the kernel has no pidfd for us. 0.2 µs.
  bool alive() const;
  // Throws Error{not_permitted} unless alive(): before each request, for whoever inherited the socket of
  // a process that ended may by now have its pid too.
  void require_alive() const;

 private:
  Caller caller_;
  std::string group_;
  bool complete_ = false;
  bool measured_ = false;
  bool named_ = false;
  UniqueFd pidfd_;
};

// Why grants that need a unit or an executable can't match on this kernel; empty if they can.
std::string process_identity_gap();

}  // namespace holdfast::identity
