// Threat rows 2 (pid reuse) and 22 (other namespaces), with real pids and namespaces.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>

#include <climits>
#include <functional>

#include "daemon/base/error.h"
#include "daemon/identity/peer.h"
#include "tests/unit/identity_support.h"

namespace holdfast::identity {
namespace {

bool refused(int socket) {
  try {
    Peer::of(socket);
    return false;
  } catch (const Error& error) {
    return error.kind() == ErrorKind::not_permitted;
  }
}

std::string executable_link(pid_t pid) {
  char text[PATH_MAX];
  const ssize_t n =
      ::readlink(("/proc/" + std::to_string(pid) + "/exe").c_str(), text, sizeof text);
  return std::string(text, n > 0 ? static_cast<std::size_t>(n) : 0);
}

// Runs `body` as pid 1 of a new pid namespace with its own /proc.
pid_t fork_to_pid_namespace(const std::function<int()>& body) {
  return fork_to([&] {
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) return 100;
    const pid_t init = fork_to([&] {
      // Not "/": in a chroot it is no mount.
      if (::mount("none", "/proc", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("proc", "/proc", "proc", 0, nullptr) != 0)
        return 101;
      return body();
    });
    return exit_code(init);
  });
}

// One run: a connector sends and ends, another program gets its pid. 0 if the peer was refused
// although everything that /proc says of that pid is about the other program; 1 if it was not; 2 if
// the pid went elsewhere (nothing was shown).
int reuse_once(const Listener& listener) {
  const pid_t connector = fork_to([&] {
    const UniqueFd fd = listener.connect();
    return ::write(fd.get(), "x", 1) == 1 ? 0 : 1;
  });
  const UniqueFd served = listener.accept();
  if (exit_code(connector) != 0) return 3;

  write_all(UniqueFd(::open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC)).get(),
            std::to_string(connector - 1), "ns_last_pid");
  Leash leash;
  int started[2];
  if (::pipe2(started, O_CLOEXEC) != 0) return 3;
  const pid_t victim = fork_to([&] { return become_cat("/usr/bin/cat", leash); });
  ::close(started[1]);
  char c;
  while (::read(started[0], &c, 1) > 0) {
  }
  ::close(started[0]);

  int result = 2;
  ucred shown{};
  socklen_t size = sizeof shown;
  ::getsockopt(served.get(), SOL_SOCKET, SO_PEERCRED, &shown, &size);
  if (victim == connector && shown.pid == victim && executable_link(shown.pid) == "/usr/bin/cat")
    result = refused(served.get()) ? 0 : 1;
  leash.release();
  exit_code(victim);
  return result;
}

TEST(PidReuse, NeverLendsTheVictimsIdentityInAThousandRuns) {
  NEEDS_ROOT();
  constexpr int kRuns = 1000;
  int counts[2];
  ASSERT_EQ(::pipe2(counts, O_CLOEXEC), 0);
  const pid_t child = fork_to_pid_namespace([&] {
    const Listener listener;
    int seen[4] = {0, 0, 0, 0};
    for (int run = 0; run < kRuns; ++run) ++seen[reuse_once(listener)];
    return ::write(counts[1], seen, sizeof seen) == sizeof seen ? 0 : 1;
  });
  ::close(counts[1]);
  EXPECT_EQ(exit_code(child), 0);
  int seen[4] = {0, 0, 0, 0};
  ASSERT_EQ(::read(counts[0], seen, sizeof seen), static_cast<ssize_t>(sizeof seen));
  ::close(counts[0]);
  EXPECT_EQ(seen[0], kRuns) << "refused";
  EXPECT_EQ(seen[1], 0) << "taken for the connector";
  EXPECT_EQ(seen[2], 0) << "the pid was not reused";
  EXPECT_EQ(seen[3], 0) << "set-up failed";
}

TEST(Namespace, OfAnUnrelatedPidIsRefused) {
  NEEDS_ROOT();
  const Listener listener;
  const pid_t server = fork_to_pid_namespace([&] {
    const UniqueFd served = listener.accept();
    ucred shown{};
    socklen_t size = sizeof shown;
    ::getsockopt(served.get(), SOL_SOCKET, SO_PEERCRED, &shown, &size);
    if (shown.pid != 0) return 1;
    return refused(served.get()) ? 0 : 2;
  });
  Leash leash;
  const pid_t client = fork_to_pid_namespace([&] {
    const UniqueFd fd = listener.connect();
    leash.wait();
    return fd ? 0 : 1;
  });
  EXPECT_EQ(exit_code(server), 0);
  leash.release();
  EXPECT_EQ(exit_code(client), 0);
}

TEST(Namespace, OfANestedPidIsSeenByItsOuterPid) {
  NEEDS_ROOT();
  const Listener listener;
  Leash leash;
  const pid_t client = fork_to_pid_namespace([&] {
    const UniqueFd fd = listener.connect();
    leash.wait();
    return ::getpid() == 1 && fd ? 0 : 1;
  });
  const UniqueFd served = listener.accept();
  const Peer peer = Peer::of(served.get());
  EXPECT_GT(peer.caller().pid, 1);
  EXPECT_TRUE(peer.alive());
  leash.release();
  EXPECT_EQ(exit_code(client), 0);
}

TEST(Namespace, ThatHidesTheUidIsRefused) {
  NEEDS_ROOT();
  const Listener listener;
  const pid_t server = fork_to([&] {
    if (::unshare(CLONE_NEWUSER) != 0) return 100;
    write_all(UniqueFd(::open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC)).get(), "0 0 1\n",
              "uid_map");
    const UniqueFd served = listener.accept();
    ucred shown{};
    socklen_t size = sizeof shown;
    ::getsockopt(served.get(), SOL_SOCKET, SO_PEERCRED, &shown, &size);
    if (shown.uid != 65534) return 1;
    return refused(served.get()) ? 0 : 2;
  });
  Leash leash;
  const pid_t client = fork_to([&] {
    if (::setresuid(1234, 1234, 1234) != 0) return 1;
    const UniqueFd fd = listener.connect();
    leash.wait();
    return fd ? 0 : 1;
  });
  const int result = exit_code(server);
  leash.release();
  EXPECT_EQ(exit_code(client), 0);
  if (result == 100)
    GTEST_SKIP() << "the kernel gives nobody a user namespace here (in a chroot, say)";
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace holdfast::identity
