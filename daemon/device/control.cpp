#include "daemon/device/control.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "daemon/base/error.h"

namespace holdfast::device {
namespace {

constexpr std::size_t kMostBytes = 8192;
constexpr std::size_t kMostDescriptors = 4;

struct alignas(cmsghdr) Ancillary {
  std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> bytes{};
};

// Owns what arrived before anything can throw.
std::vector<UniqueFd> take_descriptors(msghdr& header) {
  std::vector<UniqueFd> owned;
  owned.reserve(kMostDescriptors);
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      owned.emplace_back(fd);
    }
  }
  return owned;
}

}  // namespace

void send_control(int socket, const json::object& body, std::initializer_list<int> descriptors) {
  std::string text = json::serialize(body);
  if (text.size() > kMostBytes || descriptors.size() > kMostDescriptors)
    throw Error(ErrorKind::internal, "message over its bounds", "send_control");
  iovec part{text.data(), text.size()};
  Ancillary ancillary;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (descriptors.size() != 0) {
    const std::size_t size = descriptors.size() * sizeof(int);
    header.msg_control = ancillary.bytes.data();
    header.msg_controllen = CMSG_SPACE(size);
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(rights), descriptors.begin(), size);
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) throw_errno(ErrorKind::internal, "send_control");
}

std::optional<ControlMessage> receive_control(int socket) {
  std::array<char, kMostBytes> text;
  iovec part{text.data(), text.size()};
  Ancillary ancillary;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = ancillary.bytes.data();
  header.msg_controllen = ancillary.bytes.size();
  ssize_t size;
  while ((size = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno == ECONNRESET) return std::nullopt;
    if (errno != EINTR) throw_errno(ErrorKind::internal, "receive_control");
  }
  ControlMessage message;
  message.descriptors = take_descriptors(header);
  if (size == 0) return std::nullopt;
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    throw Error(ErrorKind::internal, "message over its bounds", "receive_control");
  try {
    message.body = parse_json_object({text.data(), static_cast<std::size_t>(size)});
  } catch (const Error& error) {
    throw Error(ErrorKind::internal, error.detail(), "receive_control");
  }
  return message;
}

}  // namespace holdfast::device
