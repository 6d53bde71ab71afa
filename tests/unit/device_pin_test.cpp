#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/device/pin.h"
#include "tests/support/folder.h"

namespace holdfast::device {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Pin : public ::testing::Test {
 protected:
  void write(std::string_view text, unsigned mode = 0400) {
    replace_file(path_, text, mode);
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);  // whatever the umask
  }
  std::string read() { return std::string(as_text(read_pin(path_).view())); }
  std::string complaint() {
    try {
      read_pin(path_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::device_unavailable);
      return error.detail();
    }
    return "";
  }
  const test::Folder folder_;
  const std::string path_ = folder_ / "pin";
};

TEST_F(Pin, IsTheFilesOneLine) {
  write("1234\n");
  EXPECT_EQ(read(), "1234");
  write("  12 34 ");
  EXPECT_EQ(read(), "  12 34 ");
  write("1234\r\n", 0600);
  EXPECT_EQ(read(), "1234\r") << "what is not ours to judge stays";
  write(std::string(kMostPinBytes, '7') + "\n");
  EXPECT_EQ(read(), std::string(kMostPinBytes, '7'));
}

TEST_F(Pin, IsRefusedWhereItCantBeOne) {
  EXPECT_THAT(complaint(), AllOf(HasSubstr(path_), HasSubstr("can't be opened")));
  for (const char* text : {"", "\n"}) {
    write(text);
    EXPECT_THAT(complaint(), HasSubstr("is empty"));
  }
  write(std::string(kMostPinBytes + 1, '7'));
  EXPECT_THAT(complaint(), HasSubstr("more than 256 bytes"));
  write(std::string(100'000, '7'));
  EXPECT_THAT(complaint(), HasSubstr("more than 256 bytes"));
  write("1234\nnote to myself\n");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("one line"), Not(HasSubstr("1234"))));
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_THAT(complaint(), HasSubstr("no regular file"));
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0400), 0);
  EXPECT_THAT(complaint(), HasSubstr("no regular file"));
}

TEST_F(Pin, IsRefusedWhereOthersCanReadIt) {
  for (const unsigned mode : {0440U, 0404U, 0620U, 0602U, 0640U, 0644U, 0700U}) {
    write("1234", mode);
    EXPECT_THAT(complaint(), AllOf(HasSubstr("chmod 0400 " + path_), Not(HasSubstr("1234"))))
        << std::oct << mode;
  }
}

TEST_F(Pin, IsRefusedWhereAnotherUserOwnsIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  write("1234");
  ASSERT_EQ(::chown(path_.c_str(), 12345, 12345), 0);
  EXPECT_THAT(complaint(), HasSubstr("chown root " + path_));
}

TEST(Credential, IsAFileOfSystemdsFolder) {
  ::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/holdfastd.service", 1);
  EXPECT_EQ(credential_path("hsm-pin"), "/run/credentials/holdfastd.service/hsm-pin");
  ::unsetenv("CREDENTIALS_DIRECTORY");
  try {
    credential_path("hsm-pin");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.detail(), HasSubstr("LoadCredentialEncrypted=hsm-pin:"));
  }
}

}  // namespace
}  // namespace holdfast::device
