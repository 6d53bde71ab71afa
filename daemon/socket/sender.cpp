#include "daemon/socket/sender.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/error.h"

namespace holdfast::socket {
namespace {

// Copies the credentials out; closes descriptors that came along. False unless there were
// credentials and nothing else.
bool take_credentials(msghdr& message, ucred& credentials) {
  std::size_t found = 0;
  bool other = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS &&
        part->cmsg_len == CMSG_LEN(sizeof credentials)) {
      std::memcpy(&credentials, CMSG_DATA(part), sizeof credentials);
      ++found;
      continue;
    }
    other = true;
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
      ::close(fd);
    }
  }
  return found == 1 && !other;
}

}  // namespace

Sender::Sender(int socket) {
  ucred connector{};
  socklen_t size = sizeof connector;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &connector, &size) != 0)
    throw_errno(ErrorKind::internal, "SO_PEERCRED");
  pid_ = connector.pid;
  uid_ = connector.uid;
}

Received Sender::receive(int socket, std::span<char> into, std::size_t& size) const {
  // Room for credentials alone: with none left for SCM_RIGHTS the kernel sets MSG_CTRUNC and puts
  // no descriptor into our table.
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
  iovec part{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n;
  do {
    n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? Received::nothing_yet : Received::failed;
  if (n == 0) return Received::end;
  size = static_cast<std::size_t>(n);
  ucred sender{};
  if (!take_credentials(message, sender)) return Received::foreign;
  const bool same = sender.pid > 0 && sender.pid == pid_ && sender.uid == uid_;
  return same ? Received::data : Received::foreign;
}

}  // namespace holdfast::socket
