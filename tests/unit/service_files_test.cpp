// What the core may still open after its start: its own rules, in a child.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

#include "daemon/service/files.h"
#include "tests/support/folder.h"

namespace holdfast {
namespace {

int opened(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  return fd >= 0 ? 0 : errno;
}

TEST(CoreFiles, AreItsStateItsConfigurationAndTheNamesOfUsers) {
  if (::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) < 0)
    GTEST_SKIP() << "the kernel has no Landlock";
  const test::Folder folder;
  for (const char* name : {"/etc-holdfast", "/etc-holdfast/policy.d", "/state", "/elsewhere"})
    ASSERT_EQ(::mkdir((folder.path() + name).c_str(), 0755), 0);
  for (const char* name :
       {"/etc-holdfast/holdfast.toml", "/etc-holdfast/policy.d/a.toml", "/elsewhere/secret"})
    std::ofstream(folder.path() + name) << "x";
  config::Config config;
  config.path = folder / "etc-holdfast/holdfast.toml";
  config.state_dir = folder / "state";
  EXPECT_EXIT(
      {
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        restrict_files(files_of_core(config));
        int wrong = 0;
        const auto expect = [&](int code, int found, const char* what) {
          if (code == found) return;
          std::cerr << what << ": " << std::strerror(found) << '\n';
          ++wrong;
        };
        expect(0, opened(folder / "etc-holdfast/holdfast.toml", O_RDONLY), "configuration");
        // As an editor and a reload do: another file under the same name.
        expect(EACCES, opened(folder / "etc-holdfast/new", O_WRONLY | O_CREAT), "write there");
        expect(0, opened(folder / "etc-holdfast/policy.d/a.toml", O_RDONLY), "grants");
        expect(0, opened(folder / "state/new", O_WRONLY | O_CREAT), "state");
        expect(0, ::rename((folder / "state/new").c_str(), (folder / "state/key").c_str()),
               "rename");
        expect(EACCES, opened(folder / "elsewhere/secret", O_RDONLY), "another folder");
        expect(EACCES, opened(folder / "elsewhere/new", O_WRONLY | O_CREAT), "write elsewhere");
        expect(EACCES, opened("/tmp", O_RDONLY | O_DIRECTORY), "/tmp");
        expect(0, ::getpwnam("root") != nullptr ? 0 : ENOENT, "names of users");
        std::string exe(4096, '\0');
        expect(EACCES,
               ::readlink(("/proc/" + std::to_string(::getppid()) + "/exe").c_str(), exe.data(),
                          exe.size()) < 0
                   ? errno
                   : 0,
               "another's executable");
        expect(EACCES, opened("/proc/" + std::to_string(::getppid()) + "/mem", O_RDONLY),
               "another's memory");
        ::_exit(wrong);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace holdfast
