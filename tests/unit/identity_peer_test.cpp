#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <systemd/sd-login.h>

#include <cerrno>

#include "daemon/base/error.h"
#include "daemon/identity/executable.h"
#include "daemon/identity/peer.h"
#include "daemon/identity/unit.h"
#include "tests/unit/identity_support.h"

namespace holdfast::identity {
namespace {

std::string refusal_of(int socket) {
  try {
    Peer::of(socket);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_permitted) << error.what();
    return error.detail();
  }
  return "";
}

TEST(Peer, IsTheProcessThatConnected) {
  const Listener listener;
  const UniqueFd client = listener.connect();
  const UniqueFd served = listener.accept();
  Peer peer = Peer::of(served.get());
  peer.name_user();
  EXPECT_EQ(peer.caller().pid, ::getpid());
  EXPECT_EQ(peer.caller().uid, ::geteuid());
  EXPECT_EQ(peer.caller().gid, ::getegid());
  if (::geteuid() == 0) {
    EXPECT_EQ(peer.caller().user, "root");
  }
  EXPECT_TRUE(peer.alive());
  EXPECT_EQ(process_identity_gap(), "");
}

TEST(Peer, HasItsUidGroupsAndUserName) {
  NEEDS_ROOT();
  const Listener listener;
  Leash leash;
  const pid_t child = fork_to([&] {
    const gid_t groups[] = {2001, 2002, 1999};
    if (::setgroups(3, groups) != 0 || ::setresgid(1999, 1999, 1999) != 0 ||
        ::setresuid(1, 1, 1) != 0)
      return 1;
    const UniqueFd fd = listener.connect();
    leash.wait();
    return fd ? 0 : 1;
  });
  const UniqueFd served = listener.accept();
  Peer peer = Peer::of(served.get());
  peer.name_user();
  EXPECT_EQ(peer.caller().pid, child);
  EXPECT_EQ(peer.caller().uid, 1u);
  EXPECT_EQ(peer.caller().gid, 1999u);
  EXPECT_EQ(peer.caller().groups, (std::vector<gid_t>{2001, 2002}));
  EXPECT_EQ(peer.caller().user, "daemon");
  leash.release();
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_FALSE(peer.alive());
}

// Threat row 2.
TEST(Peer, ThatHasEndedIsRefused) {
  const Listener listener;
  const pid_t child = fork_to([&] {
    const UniqueFd fd = listener.connect();
    return ::write(fd.get(), "GET / HTTP/1.1\r\n\r\n", 18) == 18 ? 0 : 1;
  });
  const UniqueFd served = listener.accept();
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_NE(refusal_of(served.get()), "") << "still a zombie";
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_NE(refusal_of(served.get()), "") << "reaped";
}

TEST(Peer, WithoutAPidfdHasOnlyWhatTheSocketKnows) {
  const pid_t child = fork_to([] {
    const Listener listener;
    const UniqueFd client = listener.connect();
    const UniqueFd served = listener.accept();
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);  // as before Linux 6.5
    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOPROTOOPT), SCMP_SYS(getsockopt), 1,
                         SCMP_A2(SCMP_CMP_EQ, 77)) != 0 ||
        seccomp_load(filter) != 0)
      return 2;
    seccomp_release(filter);
    const Peer peer = Peer::of(served.get());
    const Caller& caller = peer.caller();
    if (caller.pid != ::getpid() || caller.uid != ::geteuid()) return 3;
    if (!caller.unit.empty() || !caller.user_unit.empty() || !caller.exe.empty()) return 4;
    if (process_identity_gap().find("SO_PEERPIDFD") == std::string::npos) return 5;
    return peer.alive() ? 0 : 6;
  });
  EXPECT_EQ(exit_code(child), 0);
}

TEST(Executable, IsKnownWhereOnlyRootCouldHaveWrittenIt) {
  NEEDS_ROOT();
  Leash leash;
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork_to([&] { return become_cat("/usr/bin/cat", leash); });
  ::close(ready[1]);
  char c;
  EXPECT_EQ(::read(ready[0], &c, 1), 0);  // exec closed the child's end
  ::close(ready[0]);
  EXPECT_EQ(executable_of(child).path, "/usr/bin/cat");
  leash.release();
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_EQ(executable_of(child).path, "");
}

// Threat row 4: a copy in a folder that others write, a changed owner, a deleted file.
TEST(Executable, IsUnknownWhereOthersCouldHaveWrittenIt) {
  NEEDS_ROOT();
  const Listener listener;  // for its folder, below the world-writable /tmp
  const std::string copy = listener.folder() + "/cat";
  ASSERT_EQ(std::system(("cp /usr/bin/cat " + copy).c_str()), 0);
  Leash leash;
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork_to([&] { return become_cat(copy, leash); });
  ::close(ready[1]);
  char c;
  EXPECT_EQ(::read(ready[0], &c, 1), 0);
  ::close(ready[0]);
  EXPECT_EQ(executable_of(child).path, "");
  ::unlink(copy.c_str());
  EXPECT_EQ(executable_of(child).path, "");
  leash.release();
  EXPECT_EQ(exit_code(child), 0);
}

// Threat row 5, against systemd's own reader: the same cgroups, made for real.
TEST(Unit, IsWhatSystemdItselfSays) {
  NEEDS_ROOT();
  const std::string roots[] = {"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"};
  for (const std::string& root : roots)
    if (::access((root + "/cgroup.procs").c_str(), W_OK) != 0)
      GTEST_SKIP() << root << " is not there or not writable";
  for (const std::string path :
       {"holdfast-test.slice/orders.service", "holdfast-test.slice/foo.service/orders.service",
        "holdfast-test.slice/user@1000.service/app.slice/mail.service",
        "holdfast-test.slice/session-c1.scope/orders.service",
        "holdfast-test.slice/user@1000.service/app.slice/mail.service/orders.service",
        "holdfast-test.slice/payload/orders.service", "holdfast-test.slice/_cpu.service",
        "holdfast-test.slice/orders@.service", "holdfast-test.slice/foo@bar.slice/x.service",
        "holdfast-test.slice/orders@1.service", "holdfast-test.slice/a b.service",
        "holdfast-test.slice/orders.servicex"}) {
    for (const std::string& root : roots)
      ASSERT_EQ(std::system(("mkdir -p '" + root + "/" + path + "'").c_str()), 0);
    Leash leash;
    const pid_t child = fork_to([&] {
      leash.wait();
      return 0;
    });
    for (const std::string& root : roots) {
      const UniqueFd procs(
          ::open((root + "/" + path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
      write_all(procs.get(), std::to_string(child), "cgroup.procs");
    }
    const std::string text = read_file("/proc/" + std::to_string(child) + "/cgroup", 65536);
    const Units units = units_of(text);
    char* unit = nullptr;
    char* user_unit = nullptr;
    sd_pid_get_unit(child, &unit);
    sd_pid_get_user_unit(child, &user_unit);
    EXPECT_EQ(units.unit, unit == nullptr ? "" : unit) << text;
    // A session's cgroups are no user manager's, whatever the library makes of them.
    if (path.find("session") == std::string::npos) {
      EXPECT_EQ(units.user_unit, user_unit == nullptr ? "" : user_unit) << text;
    }
    ::free(unit);
    ::free(user_unit);
    leash.release();
    EXPECT_EQ(exit_code(child), 0);
    for (const std::string& root : roots) {
      for (std::string at = path; at.find('/') != std::string::npos; at.resize(at.rfind('/')))
        ::rmdir((root + "/" + at).c_str());
      ::rmdir((root + "/holdfast-test.slice").c_str());
    }
  }
}

TEST(Peer, HasTheUserUnitOnlyOfItsOwnManager) {
  NEEDS_ROOT();
  const std::string roots[] = {"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"};
  for (const std::string& root : roots)
    if (::access((root + "/cgroup.procs").c_str(), W_OK) != 0)
      GTEST_SKIP() << root << " is not there or not writable";
  const std::string path = "holdfast-own.slice/user@1000.service/mail.service";
  for (const std::string& root : roots)
    ASSERT_EQ(std::system(("mkdir -p " + root + "/" + path).c_str()), 0);
  const Listener listener;
  for (const uid_t uid : {1000u, 1001u}) {
    Leash leash;
    const pid_t child = fork_to([&] {
      for (const std::string& root : roots)
        write_all(UniqueFd(::open((root + "/" + path + "/cgroup.procs").c_str(), O_WRONLY)).get(),
                  "0", "cgroup.procs");
      if (::setresuid(uid, uid, uid) != 0) return 1;
      const UniqueFd fd = listener.connect();
      leash.wait();
      return 0;
    });
    const UniqueFd served = listener.accept();
    Peer peer = Peer::of(served.get());
    EXPECT_FALSE(peer.is_complete());
    complete(peer);
    EXPECT_TRUE(peer.is_complete());
    EXPECT_EQ(peer.caller().unit, "user@1000.service");
    EXPECT_EQ(peer.caller().user_unit, uid == 1000 ? "mail.service" : "");
    leash.release();
    EXPECT_EQ(exit_code(child), 0);
  }
  for (const std::string& root : roots)
    for (std::string at = path; !at.empty();
         at.resize(at.find('/') == std::string::npos ? 0 : at.rfind('/')))
      ::rmdir((root + "/" + at).c_str());
}

}  // namespace
}  // namespace holdfast::identity
