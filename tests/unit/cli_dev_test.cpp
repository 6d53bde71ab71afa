#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "daemon/config/config.h"
#include "daemon/policy/policy.h"
#include "sdk/cli/child.h"
#include "sdk/cli/dev_folder.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class DevFolderTest : public testing::Test {
 protected:
  DevFolderTest() {
    char name[] = "/tmp/holdfast-cli-XXXXXX";
    folder_ = mkdtemp(name);
    setenv("XDG_RUNTIME_DIR", folder_.c_str(), 1);
  }
  ~DevFolderTest() override { fs::remove_all(folder_); }
  std::string folder_;
};

TEST_F(DevFolderTest, IsMadeOnceWithAConfigurationThatLoads) {
  const std::string path = folder_ + "/a/.holdfast";
  std::string made;
  {
    const DevFolder folder = open_dev_folder(path);
    EXPECT_EQ(folder.runtime, path);
    EXPECT_EQ(folder.tpm_sockets, std::vector<std::string>{path + "/swtpm.sock"});
    struct stat info {};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    std::ofstream(path + "/holdfast.toml", std::ios::app) << "# kept\n";
  }
  EXPECT_NO_THROW(open_dev_folder(path));
  std::ifstream file(path + "/holdfast.toml");
  EXPECT_NE(std::string(std::istreambuf_iterator<char>(file), {}).find("# kept"),
            std::string::npos);
}

TEST_F(DevFolderTest, AllowsEverythingToItsOwnUidAlone) {
  const auto policy =
      policy::Policy::load({{"holdfast.toml", dev_configuration("/d", "/d", 1001)}});
  Caller caller;
  caller.uid = 1001;
  Facts facts;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"service", "sts"},
           {"path", "/a/b"},
           {"host", "a.b.example"},
           {"action", "unknown"},
           {"signing_options", "true"},
           {"encoded_path", "true"},
           {"header.x-amz-copy-source", "/a/b"}})
    facts.add(name, value);
  const std::chrono::seconds ten_years(86400 * 3650);
  EXPECT_TRUE(policy->decide({caller, "any-key.1", facts, ten_years, {}}).allowed);
  EXPECT_TRUE(policy->decide({caller, "any", Facts{}, ten_years, {}}).allowed);
  facts.add("mode", "post");
  facts.add("starts_with.content-type", "image/");
  EXPECT_TRUE(policy->decide({caller, "any", facts, ten_years, {}}).allowed);
  Facts token;
  token.add("audience", "https://a.example/b");
  token.add("algorithm", "ES256");
  const std::chrono::seconds longest(31536000);
  EXPECT_TRUE(policy->decide({caller, "any", token, 0s, longest}).allowed);
  token.add("claim.a", "1");
  EXPECT_TRUE(policy->decide({caller, "any", token, 0s, longest}).allowed);
  token.add("typ", "at+jwt");
  EXPECT_TRUE(policy->decide({caller, "any", token, 0s, longest}).allowed);
  caller.uid = 1002;
  EXPECT_FALSE(policy->decide({caller, "any", facts, 0s, {}}).allowed);
}

TEST_F(DevFolderTest, IsNotUsedTwiceAtOnce) {
  const DevFolder first = open_dev_folder(folder_ + "/d");
  try {
    open_dev_folder(folder_ + "/d");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(failure.message().find("pid " + std::to_string(getpid())), std::string::npos)
        << failure.message();
  }
}

TEST_F(DevFolderTest, HasItsSocketsElsewhereWhereItsPathIsTooLongOrHasAComma) {
  const std::string path = folder_ + "/" + std::string(90, 'x');
  const DevFolder folder = open_dev_folder(path);
  EXPECT_TRUE(folder.runtime.starts_with(folder_ + "/holdfast-dev-")) << folder.runtime;
  const DevFolder comma = open_dev_folder(folder_ + "/a,b");
  EXPECT_TRUE(comma.runtime.starts_with(folder_ + "/holdfast-dev-")) << comma.runtime;
  EXPECT_NE(folder.runtime, comma.runtime);
}

TEST_F(DevFolderTest, IsRefusedWhereOthersCanWriteOrItIsALink) {
  fs::create_directory(folder_ + "/open");
  chmod((folder_ + "/open").c_str(), 0777);
  EXPECT_THROW(open_dev_folder(folder_ + "/open"), Failure);
  fs::create_directory_symlink(folder_, folder_ + "/link");
  EXPECT_THROW(open_dev_folder(folder_ + "/link"), Failure);
}

TEST_F(DevFolderTest, ChildrenAreStoppedAndTheirLastWordsKept) {
  ChildOptions options;
  options.log = folder_ + "/log";
  Child failing = Child::start({"sh", "-c", "echo sorry; exit 7"}, options);
  while (failing.running()) {
  }
  EXPECT_EQ(failing.status(), 7);
  EXPECT_EQ(failing.last_words(), "\n    sorry");
  EXPECT_THROW(Child::start({"/nonexistent"}, options), Failure);

  Child stubborn =
      Child::start({"sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"}, options);
  while (stubborn.last_words().find("up") == std::string::npos) ASSERT_TRUE(stubborn.running());
  stubborn.stop(0s);
  EXPECT_EQ(stubborn.status(), 128 + SIGKILL);

  Child plain = Child::start({"sleep", "60"}, options);
  plain.stop(10s);
  EXPECT_EQ(plain.status(), 128 + SIGTERM);
}

}  // namespace
}  // namespace holdfast::cli
