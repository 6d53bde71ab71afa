#include "daemon/identity/question.h"

#include <linux/limits.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace holdfast::identity {
namespace {

struct alignas(cmsghdr) OneDescriptor {
  std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

bool send(int socket, const msghdr& message) {
  ssize_t sent;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

// The message's size; negative at its end, or if it is cut short.
ssize_t receive(int socket, msghdr& message) {
  ssize_t size;
  do {
    size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  return size <= 0 || (message.msg_flags & MSG_TRUNC) != 0 ? -1 : size;
}

}  // namespace

bool send_question(int socket, std::uint64_t id, int pidfd) {
  OneDescriptor control;
  iovec part{&id, sizeof id};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof pidfd);
  std::memcpy(CMSG_DATA(rights), &pidfd, sizeof pidfd);
  return send(socket, message);
}

bool is_closed(int socket) {
  pollfd state{socket, 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

bool send_answer(int socket, const Answer& answer) {
  std::uint64_t id = answer.id;
  // Neither has a NUL in it.
  std::string text = answer.process.exe + '\0' + answer.process.cgroup;
  std::array<iovec, 2> parts{{{&id, sizeof id}, {text.data(), text.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return send(socket, message);
}

std::optional<Question> receive_question(int socket) {
  Question question;
  OneDescriptor control;
  iovec part{&question.id, sizeof question.id};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  const ssize_t size = receive(socket, message);
  const cmsghdr* rights = CMSG_FIRSTHDR(&message);
  if (rights != nullptr && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
      rights->cmsg_len == CMSG_LEN(sizeof(int))) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(rights), sizeof fd);
    question.pidfd = UniqueFd(fd);
  }
  if (size != sizeof question.id || !question.pidfd || (message.msg_flags & MSG_CTRUNC) != 0)
    return std::nullopt;
  return question;
}

std::optional<Answer> receive_answer(int socket) {
  Answer answer;
  std::array<char, PATH_MAX + kMaxCgroupText> buffer;
  std::array<iovec, 2> parts{{{&answer.id, sizeof answer.id}, {buffer.data(), buffer.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t size = receive(socket, message);
  if (size < static_cast<ssize_t>(sizeof answer.id)) return std::nullopt;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size) - sizeof answer.id);
  const auto end = text.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  answer.process.exe = text.substr(0, end);
  answer.process.cgroup = text.substr(end + 1);
  return answer;
}

}  // namespace holdfast::identity
