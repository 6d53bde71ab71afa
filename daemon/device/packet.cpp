#include "daemon/device/packet.h"

#include <sys/socket.h>

#include <cerrno>

namespace holdfast::device {

std::optional<ByteView> receive_packet(int link, Wire& buffer) {
  ssize_t size;
  while ((size = ::recv(link, buffer.data(), buffer.size(), MSG_TRUNC)) < 0)
    if (errno != EINTR) return std::nullopt;
  if (size == 0 || static_cast<std::size_t>(size) > buffer.size()) return std::nullopt;
  return ByteView(buffer.data(), static_cast<std::size_t>(size));
}

bool send_packet(int link, const Wire& wire) {
  while (::send(link, wire.data(), wire.size(), MSG_NOSIGNAL) < 0)
    if (errno != EINTR) return false;
  return true;
}

}  // namespace holdfast::device
