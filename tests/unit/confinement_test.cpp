// What a process may do after it gave up the rest, and how it finds itself.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <thread>

#include "daemon/base/hardening.h"
#include "daemon/base/landlock.h"
#include "daemon/base/protection.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

int landlock_version() {
  return static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

int connect_to_loopback() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(1);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0
                                                                                         : errno;
}

TEST(Files, OfADeviceAreItsNodeAndNoNetwork) {
  if (landlock_version() < 4) GTEST_SKIP() << "Landlock of this kernel knows no TCP";
  EXPECT_EXIT(
      {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        const int version =
            restrict_files({.read = {"/usr"}, .write = {}, .devices = {"/dev/null"}});
        const bool node = ::open("/dev/null", O_RDWR | O_CLOEXEC) >= 0;
        const bool other = ::open("/dev/zero", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES;
        const bool passwords = ::open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES;
        const bool network = connect_to_loopback() == EACCES;
        ::_exit(version > 0 && node && other && passwords && network ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Files, OfADeviceBehindTcpLeaveItTheNetwork) {
  if (landlock_version() < 4) GTEST_SKIP() << "Landlock of this kernel knows no TCP";
  EXPECT_EXIT(
      {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        restrict_files({.read = {}, .write = {}, .devices = {}, .tcp = true});
        ::_exit(connect_to_loopback() == ECONNREFUSED ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(SystemCalls, OfADeviceMakeNoInetSocketUnlessItIsReachedSo) {
  for (const bool network : {false, true})
    EXPECT_EXIT(
        {
          restrict_system_calls(network ? Profile::device_network : Profile::device);
          const bool inet = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
          const bool exec = ::execl("/bin/true", "true", nullptr) < 0 && errno == EPERM;
          ::_exit(inet == network && exec ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

TEST(SystemCalls, OfNoProcessMakeANamespace) {
  for (const Profile profile : {Profile::supervisor, Profile::core, Profile::device_network})
    EXPECT_EXIT(
        {
          restrict_system_calls(profile);
          bool good = true;
          for (const long kind : {CLONE_NEWUSER, CLONE_NEWNS | CLONE_NEWUSER, CLONE_NEWNET})
            good = good && ::syscall(SYS_clone, kind | SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM;
          clone_args arguments{};
          arguments.flags = CLONE_NEWUSER;
          good =
              good && ::syscall(SYS_clone3, &arguments, sizeof arguments) == -1 && errno == ENOSYS;
          std::thread([&good] { std::cerr << good; }).join();
          ::_exit(good ? 0 : 1);
        },
        testing::ExitedWithCode(0), "1");
}

// With CAP_SYS_PTRACE whoever opens /proc/PID/mem to write owns the machine.
TEST(SystemCalls, OfTheCallerProcessOpenNothingToWrite) {
#ifdef HOLDFAST_SANITIZED
  GTEST_SKIP() << "the sanitizer's runtime needs what is forbidden";
#endif
  EXPECT_EXIT(
      {
        restrict_system_calls(Profile::caller);
        const auto refused = [](long result) { return result == -1 && errno == EPERM; };
        bool good = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC) >= 0;
        good = good && refused(::open("/proc/self/mem", O_RDWR | O_CLOEXEC));
        good = good && refused(::open("/proc/self/mem", O_WRONLY | O_CLOEXEC));
        good = good && refused(::open("/tmp/holdfast-new", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
        good = good && refused(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        good = good && refused(::kill(::getppid(), 0)) && refused(::fork());
        good = good && refused(::syscall(SYS_pidfd_open, ::getppid(), 0));
        ::_exit(good ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Protection, OfAHardenedProcessHasNoGap) {
  EXPECT_EXIT(
      {
        become_user("", {});
        static char page[4096];
        // Not mlock(), which AddressSanitizer makes a word without deed.
        const bool locked = ::syscall(SYS_mlock, page, sizeof page) == 0;
        harden_process();
        restrict_system_calls(Profile::core);
        const Protection found = own_protection(1);
        for (const std::string& gap : gaps_in(found, {})) std::cerr << gap << '\n';
        ::_exit(locked && gaps_in(found, {}).empty() && found.seccomp == 2 && !found.dumpable ? 0
                                                                                              : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Protection, ThatNoProcessOfOursWouldSendIsTold) {
  const json::object good =
      parse_json_object(json::serialize(to_json(own_protection(0), {"a gap", "another"})));
  EXPECT_TRUE(is_protection(good));
  const auto with = [&](std::string_view name, json::value value) {
    json::object changed = good;
    changed[name] = std::move(value);
    return json::value(changed);
  };
  for (const json::value& bad :
       {json::value(1), json::value(json::object()), json::value(json::array()), with("more", 1),
        with("seccomp", "2"), with("gaps", json::array{1}), with("gaps", "none"),
        with("gaps", json::array(9, "gap")), with("gaps", json::array{json::string(257, 'x')}),
        with("capabilities", json::string(257, '0'))})
    EXPECT_FALSE(is_protection(bad)) << json::serialize(bad);
}

TEST(Protection, SaysWhatIsMissingAndWhatToDo) {
  Protection good;
  good.no_new_privileges = true;
  good.seccomp = 2;
  good.dumpable = good.core_dumps = false;
  good.landlock = 7;
  good.locked_kib = 1024;
  EXPECT_THAT(gaps_in(good, {}), IsEmpty());

  Protection one = good;
  one.no_new_privileges = false;
  EXPECT_THAT(gaps_in(one, {}), ElementsAre(HasSubstr("no_new_privs")));
  one = good;
  one.seccomp = 0;
  EXPECT_THAT(gaps_in(one, {}), ElementsAre(HasSubstr("seccomp")));
  one = good;
  one.dumpable = true;
  EXPECT_THAT(gaps_in(one, {}), ElementsAre(HasSubstr("crash")));
  one = good;
  one.landlock = 0;
  EXPECT_THAT(gaps_in(one, {}), ElementsAre(HasSubstr("lsm=")));
  EXPECT_THAT(gaps_in(one, {.landlock = false}), IsEmpty());
  one = good;
  one.locked_kib = 0;
  EXPECT_THAT(gaps_in(one, {}), ElementsAre(HasSubstr("LimitMEMLOCK=")));
  one = good;
  one.capabilities = 1ULL << CAP_SYS_PTRACE;
  EXPECT_THAT(gaps_in(one, {}), ElementsAre(HasSubstr("0x80000")));
  EXPECT_THAT(gaps_in(one, {.capabilities = one.capabilities}), IsEmpty());
}

}  // namespace
}  // namespace holdfast
