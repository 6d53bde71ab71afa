// Threat row 3: a connected socket handed to another process. Each attack has its control: the
// connector's own bytes are answered.
#include <cstring>

#include "daemon/socket/sender.h"
#include "tests/unit/socket_support.h"

namespace holdfast::socket {
namespace {

// `text` with a control message beside it (unix(7)).
template <class T>
bool send_with(int socket, int type, const T& beside, std::string_view text) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof beside)] = {};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof beside);
  std::memcpy(CMSG_DATA(header), &beside, sizeof beside);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

bool send_descriptor(int channel, int fd, std::string_view text) {
  return send_with(channel, SCM_RIGHTS, fd, text);
}

bool send_as(int socket, const ucred& who, std::string_view text) {
  return send_with(socket, SCM_CREDENTIALS, who, text);
}

UniqueFd receive_descriptor(int channel) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  char byte;
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  int fd = -1;
  if (::recvmsg(channel, &message, 0) == 1 && CMSG_FIRSTHDR(&message) != nullptr)
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return UniqueFd(fd);
}

bool closed_without_a_reply(int socket) {
  return Reader(socket).next().status == 0;
}

TEST(Sender, ThatConnectedIsAnswered) {
  TestServer server;
  EXPECT_EQ(ask(server.connect().get(), kGet).status, 200u);
}

TEST(Sender, ThatWasHandedTheSocketIsRefused) {
  TestServer server;
  int channel[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
  const UniqueFd ours(channel[0]);
  const UniqueFd theirs(channel[1]);
  const pid_t thief = fork_to([&] {
    const UniqueFd handed = receive_descriptor(theirs.get());
    return handed && send_all(handed.get(), kGet) ? 0 : 1;
  });
  const UniqueFd fd = server.connect();
  ASSERT_TRUE(send_descriptor(ours.get(), fd.get(), "x"));
  EXPECT_EQ(exit_code(thief), 0);
  EXPECT_TRUE(closed_without_a_reply(fd.get()));
}

TEST(Sender, ThatInheritedTheSocketIsRefused) {
  TestServer server;
  const UniqueFd fd = server.connect();
  const pid_t child = fork_to([&] { return send_all(fd.get(), kGet) ? 0 : 1; });
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_TRUE(closed_without_a_reply(fd.get()));
}

TEST(Sender, MayNotChangeBetweenRequests) {
  TestServer server;
  const UniqueFd fd = server.connect();
  Reader reader(fd.get());
  send_all(fd.get(), kGet);
  EXPECT_EQ(reader.next().status, 200u);
  const pid_t child = fork_to([&] { return send_all(fd.get(), kGet) ? 0 : 1; });
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_EQ(reader.next().status, 0u);
}

TEST(Sender, MayNotChangeWithinARequest) {
  TestServer server;
  for (const bool child_first : {false, true}) {
    const UniqueFd fd = server.connect();
    const std::string_view first(kGet.data(), 10);
    const std::string_view rest = std::string_view(kGet).substr(10);
    if (!child_first) send_all(fd.get(), first);
    const pid_t child =
        fork_to([&] { return send_all(fd.get(), child_first ? first : rest) ? 0 : 1; });
    EXPECT_EQ(exit_code(child), 0);
    if (child_first) send_all(fd.get(), rest);
    EXPECT_TRUE(closed_without_a_reply(fd.get()));
  }
}

// What lies in the socket's buffer from two senders must not come out of one read.
TEST(Sender, IsNeverGluedToAnotherInOneRead) {
  int channel[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
  const UniqueFd ours(channel[0]);
  const UniqueFd theirs(channel[1]);
  const int on = 1;
  ASSERT_EQ(::setsockopt(theirs.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  const Sender sender(theirs.get());
  ASSERT_EQ(sender.pid(), ::getpid());
  ASSERT_TRUE(send_all(ours.get(), "mine"));
  EXPECT_EQ(exit_code(fork_to([&] { return send_all(ours.get(), "foreign") ? 0 : 1; })), 0);
  ASSERT_TRUE(send_all(ours.get(), "again"));
  char text[64];
  std::size_t size = 0;
  EXPECT_EQ(sender.receive(theirs.get(), text, size), Received::data);
  EXPECT_EQ(std::string_view(text, size), "mine");
  EXPECT_EQ(sender.receive(theirs.get(), text, size), Received::foreign);
  EXPECT_EQ(std::string_view(text, size), "foreign");
  EXPECT_EQ(sender.receive(theirs.get(), text, size), Received::data);
  EXPECT_EQ(sender.receive(theirs.get(), text, size), Received::nothing_yet);
}

TEST(Sender, WithoutCredentialsIsRefused) {
  int channel[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
  const UniqueFd ours(channel[0]);
  const UniqueFd theirs(channel[1]);
  const Sender sender(theirs.get());
  char text[64];
  std::size_t size = 0;
  ASSERT_TRUE(send_all(ours.get(), "early"));  // before SO_PASSCRED: (0, 65534)
  const int on = 1;
  ASSERT_EQ(::setsockopt(theirs.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  EXPECT_EQ(sender.receive(theirs.get(), text, size), Received::foreign);
}

TEST(Sender, OfBytesBeforeAcceptIsKnown) {
  // The session is made only after the client's bytes and its end are in the socket.
  TestServer server;
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = server.connect();
    send_all(fd.get(), kGet);
    ::shutdown(fd.get(), SHUT_WR);
    EXPECT_EQ(Reader(fd.get()).next().status, 200u);
  }
}

TEST(Sender, ThatPassesADescriptorIsRefusedAndLeavesNoneBehind) {
  TestServer server;
  const auto count = [] {
    int open = 0;
    for (int fd = 0; fd < 1024; ++fd) open += ::fcntl(fd, F_GETFD) != -1;
    return open;
  };
  const int before = count();
  for (int i = 0; i < 20; ++i) {
    const UniqueFd fd = server.connect();
    ASSERT_TRUE(send_descriptor(fd.get(), STDERR_FILENO, kGet));
    EXPECT_TRUE(closed_without_a_reply(fd.get()));
  }
  EXPECT_EQ(count(), before);
}

TEST(Sender, ThatClaimsAnotherPidIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may claim another pid";
  TestServer server;
  const UniqueFd honest = server.connect();
  ASSERT_TRUE(send_as(honest.get(), {::getpid(), ::geteuid(), ::getegid()}, kGet));
  EXPECT_EQ(Reader(honest.get()).next().status, 200u);
  const UniqueFd fd = server.connect();
  ASSERT_TRUE(send_as(fd.get(), {::getppid(), ::geteuid(), ::getegid()}, kGet));
  EXPECT_TRUE(closed_without_a_reply(fd.get()));
}

TEST(Sender, WhoseRealUidIsNotItsEffectiveOneIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  TestServer server;
  for (const bool same : {true, false}) {
    const pid_t child = fork_to([&] {
      if (::setresuid(same ? 1001 : 1000, 1001, 1001) != 0) return 2;
      const UniqueFd fd = server.connect();
      if (!send_all(fd.get(), kGet)) return 3;
      return Reader(fd.get()).next().status == (same ? 200u : 0u) ? 0 : 1;
    });
    EXPECT_EQ(exit_code(child), 0) << same;
  }
}

// Not readable in line, so it must not be mistaken for a byte of a request either.
TEST(Sender, OfUrgentDataGetsNoOtherAnswer) {
  TestServer server;
  const UniqueFd fd = server.connect();
  Reader reader(fd.get());
  if (::send(fd.get(), "!", 1, MSG_OOB) != 1) GTEST_SKIP() << "the kernel has no MSG_OOB here";
  send_all(fd.get(), kGet);
  EXPECT_EQ(reader.next().status, 200u);
}

}  // namespace
}  // namespace holdfast::socket
