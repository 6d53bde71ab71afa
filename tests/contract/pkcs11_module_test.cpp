// Threat 7: a module that somebody else could have put there.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "pkcs11/backend.h"
#include "pkcs11/trusted_file.h"
#include "tests/contract/crypto.h"
#include "tests/support/hostile.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;

// Beside the hostile module, whose folders all belong to whoever builds.
class Pkcs11Module : public testing::Test {
 protected:
  Pkcs11Module() {
    folder_ = fs::path(Hostile::module()).parent_path() / "modules-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) throw_errno(ErrorKind::internal, "mkdtemp");
    fs::create_directory(folder_ + "/inner");
    module_ = folder_ + "/inner/module.so";
    fs::copy_file(Hostile::module(), module_);
    ::chmod((folder_ + "/inner").c_str(), 0755);
    ::chmod(module_.c_str(), 0755);
  }
  ~Pkcs11Module() override { fs::remove_all(folder_); }

  // The cure that the refusal names; empty where it is taken.
  static std::string cure(const std::string& path) {
    try {
      pkcs11::trusted_file(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
      return error.detail();
    }
    return {};
  }

  std::string folder_, module_;
};

TEST_F(Pkcs11Module, IsTakenFromWhereNobodyElseWrites) {
  EXPECT_EQ(cure(module_), "");
  EXPECT_EQ(pkcs11::trusted_file(folder_ + "/./inner/../inner//module.so"), module_);
}

TEST_F(Pkcs11Module, IsRefusedWhereTheFileOrAFolderAboveItCanBeWritten) {
  for (const std::string& path : {module_, folder_ + "/inner", folder_})
    for (const mode_t mode : {0775, 0757, 0777, 01777}) {
      ::chmod(path.c_str(), mode);
      EXPECT_NE(cure(module_).find("chmod go-w " + path), std::string::npos) << cure(module_);
      EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
        pkcs11::open({module_, Hostile::kUri, Secret(as_bytes(Hostile::kPin)), 0});
      }));
      ::chmod(path.c_str(), 0755);
    }
  EXPECT_EQ(cure(module_), "");
}

TEST_F(Pkcs11Module, IsRefusedWhereAnotherUserOwnsTheFileOrAFolderAboveIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  for (const std::string& path : {module_, folder_ + "/inner", folder_}) {
    ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
    EXPECT_NE(cure(module_).find("chown root " + path), std::string::npos) << cure(module_);
    ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  }
}

TEST_F(Pkcs11Module, ALinkIsFollowedAndEachFolderOnTheWayIsJudged) {
  const std::string direct = folder_ + "/direct.so", loop = folder_ + "/loop.so";
  fs::create_symlink("inner/module.so", direct);
  EXPECT_EQ(pkcs11::trusted_file(direct), module_);
  fs::create_symlink(loop, loop);
  EXPECT_NE(cure(loop).find("too many links"), std::string::npos);
  // A link that leads through a folder in which anybody can put another.
  const Folder open_to_all;
  ::chmod(open_to_all.path().c_str(), 0777);
  const std::string middle = open_to_all / "middle.so", outer = folder_ + "/outer.so";
  fs::create_symlink(module_, middle);
  fs::create_symlink(middle, outer);
  EXPECT_NE(cure(outer), "");
}

TEST_F(Pkcs11Module, IsAnAbsolutePathOfAFile) {
  for (const std::string& path :
       {std::string("module.so"), std::string(), folder_, std::string("/"), folder_ + "/none.so",
        module_ + "/x", module_ + std::string("\0x", 2)})
    EXPECT_NE(cure(path), "") << path;
}

TEST_F(Pkcs11Module, ThatIsNoneIsRefusedWithTheReason) {
  fs::remove(module_);
  fs::copy_file("/etc/passwd", module_);
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
    pkcs11::open({module_, Hostile::kUri, Secret(), 0});
  }));
  // A library, but of another kind.
  const std::string library = fs::canonical("/lib/x86_64-linux-gnu/libz.so.1");
  try {
    pkcs11::open({library, Hostile::kUri, Secret(), 0});
    ADD_FAILURE() << "taken for a module";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request) << error.what();
    EXPECT_NE(error.detail().find("no C_GetFunctionList"), std::string::npos) << error.what();
  }
}

TEST(Pkcs11Initialisation, ItsFailureIsSaidAndTheNextTryWorks) {
  const Hostile hostile;
  hostile.set("Initialize=rv:0x30");
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [] { Hostile::open(); }));
  hostile.set("Initialize=rv:0x191");  // another library did: then it works at once, but isn't
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [] { Hostile::open(); }));
  hostile.set("");
  EXPECT_NO_THROW(Hostile::open());
}

TEST(Pkcs11Initialisation, WithoutLocksOneCallWorksAtATime) {
  const Hostile hostile;
  hostile.set("Initialize=rv:0xA*1");  // CKR_CANT_LOCK
  EXPECT_EQ(Hostile::open()->describe().parallel, 1U);
}

TEST(Pkcs11Initialisation, IsOnceForBackendsThatLiveAtTheSameTime) {
  const Hostile hostile;
  const int before = Hostile::calls("Initialize"), ended = Hostile::calls("Finalize");
  {
    const auto one = Hostile::open();
    const auto two = Hostile::open();
  }
  EXPECT_EQ(Hostile::calls("Initialize"), before + 1);
  EXPECT_EQ(Hostile::calls("Finalize"), ended + 1);
}

}  // namespace
}  // namespace holdfast::test
