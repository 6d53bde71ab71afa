#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "daemon/base/error.h"
#include "daemon/supervise/backoff.h"
#include "daemon/supervise/folder.h"
#include "daemon/supervise/process.h"
#include "daemon/supervise/sockets.h"
#include "tests/support/folder.h"

namespace holdfast::supervise {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

ErrorKind kind_of_failure(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_NE(error.detail(), "");
    return error.kind();
  }
  ADD_FAILURE() << "it was accepted";
  return ErrorKind::internal;
}

TEST(Backoff, AProcessThatNeverGetsReadyIsStartedEverMoreRarely) {
  Backoff backoff;
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 9; ++i) pauses.push_back(backoff.after(10ms, false));
  EXPECT_EQ(pauses, (std::vector<std::chrono::milliseconds>{0ms, 50ms, 100ms, 200ms, 400ms, 800ms,
                                                            1600ms, 2000ms, 2000ms}));
  EXPECT_EQ(backoff.after(6s, false), 0ms);
}

TEST(Backoff, AProcessThatWorksIsBackAtOnceHoweverOftenItIsKilled) {
  Backoff backoff;
  for (int i = 0; i < 200; ++i) EXPECT_LE(backoff.after(100ms, true), 50ms);
}

TEST(RuntimeFolder, IsMadeAndLockedForOneDaemon) {
  const test::Folder folder;
  const auto taken = RuntimeFolder::take(folder / "run/");
  EXPECT_EQ(taken.path(), folder / "run");
  EXPECT_EQ(fs::status(taken.path()).permissions(), fs::perms(0755));
  EXPECT_EQ(kind_of_failure([&] { RuntimeFolder::take(folder / "run"); }), ErrorKind::conflict);
}

TEST(RuntimeFolder, IsFreeAgainWhenItsDaemonIsGone) {
  const test::Folder folder;
  { const auto taken = RuntimeFolder::take(folder / "run"); }
  EXPECT_EQ(RuntimeFolder::take(folder / "run").path(), folder / "run");
}

// THREATS row 21.
TEST(RuntimeFolder, RefusesASymbolicLinkEvenWithASlashAtItsEnd) {
  const test::Folder folder;
  fs::create_directory(folder / "real");
  fs::create_directory_symlink(folder / "real", folder / "run");
  for (const char* name : {"run", "run/", "run//"})
    EXPECT_EQ(kind_of_failure([&] { RuntimeFolder::take(folder / name); }),
              ErrorKind::invalid_request);
}

TEST(RuntimeFolder, RefusesOneThatOthersMayWriteTo) {
  const test::Folder folder;
  for (const unsigned mode : {0775U, 0757U, 01777U}) {
    fs::create_directory(folder / "run");
    fs::permissions(folder / "run", fs::perms(mode));
    EXPECT_EQ(kind_of_failure([&] { RuntimeFolder::take(folder / "run"); }),
              ErrorKind::invalid_request);
    fs::remove(folder / "run");
  }
}

TEST(RuntimeFolder, RefusesOneBelowAFolderThatOthersMayWriteTo) {
  const test::Folder folder;
  fs::create_directories(folder / "open/between");
  fs::permissions(folder / "open", fs::perms(0777));
  EXPECT_EQ(kind_of_failure([&] { RuntimeFolder::take(folder / "open/between/run"); }),
            ErrorKind::invalid_request);
  fs::permissions(folder / "open", fs::perms(01777));  // sticky: nobody can move ours away
  EXPECT_EQ(RuntimeFolder::take(folder / "open/between/run").path(), folder / "open/between/run");
}

TEST(RuntimeFolder, RefusesAnotherUsersFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give a folder away";
  const test::Folder folder;
  fs::create_directories(folder / "theirs/run");
  ASSERT_EQ(::chown((folder / "theirs/run").c_str(), 65534, 65534), 0);
  EXPECT_EQ(kind_of_failure([&] { RuntimeFolder::take(folder / "theirs/run"); }),
            ErrorKind::invalid_request);
  ASSERT_EQ(::chown((folder / "theirs").c_str(), 65534, 65534), 0);
  EXPECT_EQ(kind_of_failure([&] { RuntimeFolder::take(folder / "theirs/other"); }),
            ErrorKind::invalid_request);
}

bool connects(const std::string& path) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

TEST(Listeners, AreMadeWithTheirModesAndTakeConnectionsAtOnce) {
  const test::Folder folder;
  const auto listeners = open_listeners(folder.path(), "");
  ASSERT_EQ(listeners.size(), 3U);
  const auto mode = [&](const char* name) { return fs::status(folder / name).permissions(); };
  EXPECT_EQ(mode("holdfast.sock"), fs::perms(0666));
  EXPECT_EQ(mode("admin.sock"), fs::perms(0660));
  EXPECT_EQ(mode("metrics.sock"), fs::perms(0660));
  for (const Listener& listener : listeners) {
    EXPECT_TRUE(connects(listener.path));
    int on = 0;
    socklen_t size = sizeof on;
    ASSERT_EQ(::getsockopt(listener.socket.get(), SOL_SOCKET, SO_PASSCRED, &on, &size), 0);
    EXPECT_EQ(on, 1);
  }
  EXPECT_FALSE(fs::exists(folder / ".new.sock"));
}

TEST(Listeners, ReplaceWhatADeadDaemonLeftAndSquattersPutThere) {
  const test::Folder folder;
  { const auto left = open_listeners(folder.path(), ""); }
  fs::remove(folder / "admin.sock");
  fs::create_symlink("/nonexistent/victim", folder / "admin.sock");
  EXPECT_FALSE(connects(folder / "holdfast.sock"));
  const auto listeners = open_listeners(folder.path(), "");
  EXPECT_TRUE(connects(folder / "holdfast.sock"));
  EXPECT_TRUE(connects(folder / "admin.sock"));
}

TEST(Listeners, AreRemovedUnlessTheyAreAnotherDaemonsByNow) {
  const test::Folder folder;
  const auto first = open_listeners(folder.path(), "");
  fs::remove(folder / "admin.sock");
  replace_file(folder / "admin.sock", "another's", 0600);
  remove_listeners(first);
  EXPECT_FALSE(fs::exists(folder / "holdfast.sock"));
  EXPECT_FALSE(fs::exists(folder / "metrics.sock"));
  EXPECT_TRUE(fs::exists(folder / "admin.sock"));
}

TEST(Listeners, SayWhatToDoAboutALongPathAndAnUnknownGroup) {
  const test::Folder folder;
  const std::string deep = folder / std::string(90, 'd');
  fs::create_directory(deep);
  EXPECT_EQ(kind_of_failure([&] { open_listeners(deep, ""); }), ErrorKind::invalid_request);
  EXPECT_EQ(kind_of_failure([&] { open_listeners(folder.path(), "no-such-group"); }),
            ErrorKind::invalid_request);
}

bool becomes_readable(int fd) {
  pollfd ready{fd, POLLIN, 0};
  return ::poll(&ready, 1, 10'000) == 1;
}

TEST(Process, TheChildHasItsControlAndNothingElseOfOurs) {
  const UniqueFd leaked(::open("/dev/null", O_RDONLY));  // not close-on-exec
  ASSERT_EQ(::setenv("HOLDFAST_LEAK", "1", 1), 0);
  Process process("shell", {"/bin/sh", "-c",
                            "[ -z \"$HOLDFAST_LEAK\" ] || exit 5; cd /proc/self/fd; "
                            "[ -S 3 ] || exit 6; for fd in *; do case $fd in [0123]) ;; "
                            "*) [ ! -e $fd ] || exit 7;; esac; done"});
  process.start();
  ASSERT_TRUE(process.running());
  ASSERT_TRUE(becomes_readable(process.exit_fd()));
  const auto ending = process.reap();
  ASSERT_TRUE(ending);
  EXPECT_FALSE(ending->by_signal);
  EXPECT_EQ(ending->code, 0);
  ::unsetenv("HOLDFAST_LEAK");
}

TEST(Process, TheChildHasTheVariablesThatAreForItAlone) {
  Process process("shell",
                  {"/bin/sh", "-c", "[ \"$MODULE_CONF\" = '/etc/a b=c' ] && [ -n \"$PATH\" ]"}, -1,
                  {"MODULE_CONF=/etc/a b=c"});
  process.start();
  ASSERT_TRUE(becomes_readable(process.exit_fd()));
  EXPECT_EQ(process.reap()->code, 0);
  EXPECT_EQ(::getenv("MODULE_CONF"), nullptr);
}

TEST(Process, IsKilledReapedAndOnlyThenStartedAgain) {
  Process process("cat", {"/bin/sleep", "1000"});
  process.start();
  ASSERT_TRUE(process.running());
  EXPECT_FALSE(process.reap()) << "it has not ended";
  process.kill();
  ASSERT_TRUE(becomes_readable(process.exit_fd()));
  const auto ending = process.reap();
  ASSERT_TRUE(ending);
  EXPECT_TRUE(ending->by_signal);
  EXPECT_EQ(ending->code, SIGKILL);
  EXPECT_FALSE(process.running());
  EXPECT_LE(process.next_start(), std::chrono::steady_clock::now()) << "the first time at once";
  process.start();
  EXPECT_TRUE(process.running());
  process.kill();
  ASSERT_TRUE(becomes_readable(process.exit_fd()));
  EXPECT_TRUE(process.reap());
  EXPECT_GT(process.next_start(), std::chrono::steady_clock::now());
}

TEST(Process, AMissingProgramIsADeathLikeOthers) {
  Process process("none", {"/nonexistent/program"});
  process.start();
  EXPECT_FALSE(process.running());
  process.start();
  EXPECT_GT(process.next_start(), std::chrono::steady_clock::now());
}

TEST(Process, OneThatDoesNotListenAnyMoreIsKilled) {
  Process process("deaf", {"/bin/sleep", "1000"});
  process.start();
  const std::string padding(4000, 'x');
  int told = 0;
  while (told < 1000 && process.tell({{"padding", padding}})) ++told;
  EXPECT_LT(told, 1000);
  ASSERT_TRUE(becomes_readable(process.exit_fd()));
  EXPECT_TRUE(process.reap()->by_signal);
}

TEST(Process, TheLockOutlivesUsAsLongAsTheCoreLives) {
  const test::Folder folder;
  auto taken = std::make_unique<RuntimeFolder>(RuntimeFolder::take(folder / "run"));
  Process core("core", {"/bin/sleep", "1000"}, taken->lock());
  core.start();
  taken.reset();
  std::thread killer([&] {
    // As PR_SET_PDEATHSIG does a moment after the supervisor's death.
    const UniqueFd probe(::open((folder / "run/holdfast.lock").c_str(), O_RDWR | O_CLOEXEC));
    EXPECT_NE(::flock(probe.get(), LOCK_EX | LOCK_NB), 0);
    core.kill();
  });
  const auto next = RuntimeFolder::take(folder / "run");
  killer.join();
  ASSERT_TRUE(becomes_readable(core.exit_fd()));
  EXPECT_TRUE(core.reap());
}

}  // namespace
}  // namespace holdfast::supervise
