// Reads from a connected Unix socket, and checks that whoever sent the bytes is who connected: a
// connected socket can be handed to another process, and SO_PEERCRED would still name the first.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>

namespace holdfast::socket {

enum class Received { data, nothing_yet, end, foreign, failed };

class Sender {
 public:
  // The connector, by SO_PEERCRED. Throws Error{internal}.
  explicit Sender(int socket);

  pid_t pid() const { return pid_; }
  uid_t uid() const { return uid_; }

  // One non-blocking recvmsg into `into`; the socket must have SO_PASSCRED. `foreign`: the kernel's
  // SCM_CREDENTIALS for these bytes are not the connector's (pid and uid; ruid ≠ euid is therefore
  // foreign, and so is a pid of another namespace, 0), or descriptors came along. The kernel never
  // glues two senders' bytes into one read (unix(7), SO_PASSCRED).
  Received receive(int socket, std::span<char> into, std::size_t& size) const;

 private:
  pid_t pid_ = 0;
  uid_t uid_ = 0;
};

}  // namespace holdfast::socket
