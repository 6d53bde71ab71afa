#include "daemon/device/packet.h"

#include <sys/socket.h>

#include <cerrno>

#include "daemon/base/error.h"

namespace holdfast::device {
namespace {

// ECONNRESET: it was closed with messages of ours unread.
bool is_closed(int code) noexcept {
  return code == EPIPE || code == ECONNRESET;
}

}  // namespace

std::optional<ByteView> receive_packet(int link, Wire& buffer) {
  ssize_t size;
  while ((size = ::recv(link, buffer.data(), buffer.size(), 0)) < 0) {
    if (is_closed(errno)) return std::nullopt;
    if (errno != EINTR) throw_errno(ErrorKind::internal, "the link to the core");
  }
  if (size == 0) return std::nullopt;
  return ByteView(buffer.data(), static_cast<std::size_t>(size));
}

bool send_packet(int link, const Wire& wire) {
  while (::send(link, wire.data(), wire.size(), MSG_NOSIGNAL) < 0) {
    if (is_closed(errno)) return false;
    if (errno != EINTR) throw_errno(ErrorKind::internal, "the link to the core");
  }
  return true;
}

}  // namespace holdfast::device
