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

// Both kinds of message begin so.
struct Head {
  std::uint64_t id = 0;
  std::uint64_t flags = 0;
};
constexpr std::uint64_t kMeasure = 1, kNested = 2;
constexpr std::array kTexts{&Process::exe,       &Process::cgroup, &Process::label,
                            &Process::container, &Process::pod,    &Process::exe_sha256};
constexpr std::size_t kMaxNames = 1024;  // all texts but the first two

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

bool send_question(int socket, std::uint64_t id, int pidfd, bool measure) {
  OneDescriptor control;
  Head head{id, measure ? kMeasure : 0};
  iovec part{&head, sizeof head};
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
  const Process& process = answer.process;
  Head head{answer.id, (process.nested ? kNested : 0) | (process.measuring ? kMeasure : 0)};
  std::string text;
  for (const auto field : kTexts) text.append(process.*field).push_back('\0');  // none has a NUL
  std::array<iovec, 2> parts{{{&head, sizeof head}, {text.data(), text.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return send(socket, message);
}

std::optional<Question> receive_question(int socket) {
  Question question;
  OneDescriptor control;
  Head head;
  iovec part{&head, sizeof head};
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
  if (size != sizeof head || !question.pidfd || (message.msg_flags & MSG_CTRUNC) != 0)
    return std::nullopt;
  question.id = head.id;
  question.measure = (head.flags & kMeasure) != 0;
  return question;
}

std::optional<Answer> receive_answer(int socket) {
  Answer answer;
  Head head;
  std::array<char, PATH_MAX + kMaxCgroupText + kMaxNames> buffer;
  std::array<iovec, 2> parts{{{&head, sizeof head}, {buffer.data(), buffer.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  const ssize_t size = receive(socket, message);
  if (size < static_cast<ssize_t>(sizeof head)) return std::nullopt;
  answer.id = head.id;
  answer.process.nested = (head.flags & kNested) != 0;
  answer.process.measuring = (head.flags & kMeasure) != 0;
  std::string_view text(buffer.data(), static_cast<std::size_t>(size) - sizeof head);
  for (const auto field : kTexts) {
    const auto end = text.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    answer.process.*field = text.substr(0, end);
    text.remove_prefix(end + 1);
  }
  return text.empty() ? std::optional(std::move(answer)) : std::nullopt;
}

}  // namespace holdfast::identity
