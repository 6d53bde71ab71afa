// The other end of one connection, as the kernel tells it.
#pragma once

#include <sys/socket.h>

#include <string>

#include "daemon/base/caller.h"
#include "daemon/base/posix.h"

namespace holdfast::identity {

// Made once per connection; the pidfd then stands for the process.
class Peer {
 public:
  // Reads SO_PEERCRED, SO_PEERGROUPS, SO_PEERPIDFD, SO_PEERSEC and /proc, and only then checks that
  // the process is alive, so that what was read was about it. Throws Error{not_permitted} for a pid
  // ≤ 0, the overflow uid, and a process that has ended.
  static Peer of(int socket);

  const Caller& caller() const { return caller_; }
  // Is the process that connected still there? True where the kernel has no pidfd for us. 0.2 µs.
  bool alive() const;
  // Throws Error{not_permitted} unless alive(): before each request, for whoever inherited the socket of
  // a process that ended may by now have its pid too.
  void require_alive() const;

 private:
  Caller caller_;
  UniqueFd pidfd_;
};

// Why grants that need a unit or an executable can't match on this kernel; empty if they can.
std::string process_identity_gap();

}  // namespace holdfast::identity
