#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/base/posix.h"
#include "sdk/cli/credentials.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/secret_input.h"
#include "tests/support/folder.h"

namespace holdfast::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile =
    "# mine\n"
    "[default]\n"
    "aws_access_key_id = AKIADEFAULT\n"
    "aws_secret_access_key=abc/def+ghi=\n"
    "\n"
    "[ prod ]\r\n"
    "AWS_ACCESS_KEY_ID: AKIAPROD\r\n"
    "aws_secret_access_key : prod/secret\r\n"
    "region = eu-west-1\r\n"
    "[session]\n"
    "aws_access_key_id = AKIASESSION\n"
    "aws_secret_access_key = x\n"
    "aws_session_token = y\n"
    "[asia]\n"
    "aws_access_key_id = ASIATEMP\n"
    "aws_secret_access_key = x\n"
    "[half]\n"
    "aws_access_key_id = AKIAHALF\n"
    "[s3]\n"
    "s3 =\n"
    "  aws_secret_access_key = nested\n"
    "aws_access_key_id = AKIAS3\n"
    "aws_secret_access_key = outer\n"
    "[twice]\n"
    "aws_access_key_id = AKIATWICE\n"
    "aws_secret_access_key = one\n"
    "aws_secret_access_key = two\n"
    "[folded]\n"
    "aws_access_key_id = AKIAFOLDED\n"
    "aws_secret_access_key = one\n"
    "   two\n"
    "[again]\n"
    "aws_access_key_id = AKIAAGAIN\n"
    "aws_secret_access_key = one\n"
    "[again]\n";

using test::Folder;

std::string secret_of(const std::string& profile, std::string* id = nullptr) {
  const Credentials found = find_credentials(kFile, profile, "credentials");
  if (id) *id = found.access_key_id;
  return std::string(as_text(found.secret_access_key.view()));
}

std::string text_of(const SecretText& text) {
  return {text.begin(), text.end()};
}

TEST(CredentialsFile, GivesTheProfilesLongTermKey) {
  std::string id;
  EXPECT_EQ(secret_of("default", &id), "abc/def+ghi=");
  EXPECT_EQ(id, "AKIADEFAULT");
  EXPECT_EQ(secret_of("prod", &id), "prod/secret");
  EXPECT_EQ(id, "AKIAPROD");
  EXPECT_EQ(secret_of("s3", &id), "outer");
}

TEST(CredentialsFile, RefusesWhatIsTemporaryIncompleteOrAmbiguous) {
  for (const char* profile : {"session", "asia", "half", "twice", "folded", "again", "missing", ""})
    EXPECT_THROW(secret_of(profile), Failure) << profile;
}

TEST(CredentialsFile, LosesOnlyTheProfilesSecret) {
  const std::string before = kFile;
  const std::string line = "aws_secret_access_key=abc/def+ghi=\n";
  std::string wanted = before;
  wanted.erase(before.find(line), line.size());
  EXPECT_EQ(text_of(without_secret(before, "default")), wanted);

  const std::string folded = text_of(without_secret(before, "folded"));
  EXPECT_EQ(folded.find("   two"), std::string::npos);
  EXPECT_NE(folded.find("[again]"), std::string::npos);

  const std::string nested = text_of(without_secret(before, "s3"));
  EXPECT_EQ(nested.find("outer"), std::string::npos);
  EXPECT_NE(nested.find("nested"), std::string::npos);
  EXPECT_EQ(text_of(without_secret("[a]\naws_secret_access_key = x", "a")), "[a]\n");
}

TEST(CredentialsFile, IsRewrittenWholeWithItsModeAndWithoutABackup) {
  const Folder folder;
  const std::string path = (folder / "credentials");
  std::ofstream(path) << kFile;
  chmod(path.c_str(), 0640);
  remove_plaintext(path, "prod");
  const std::string after = read_file(path, 1 << 20);
  EXPECT_EQ(after.find("prod/secret"), std::string::npos);
  EXPECT_NE(after.find("abc/def"), std::string::npos);
  EXPECT_NE(after.find("AKIAPROD"), std::string::npos);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1);
}

TEST(CredentialsFile, IsNotTouchedThroughALinkOrWithASecondName) {
  const Folder folder;
  const std::string path = (folder / "credentials");
  std::ofstream(path) << kFile;
  fs::create_symlink(path, (folder / "link"));
  EXPECT_THROW(remove_plaintext((folder / "link"), "default"), Failure);
  fs::create_hard_link(path, (folder / "second"));
  EXPECT_THROW(remove_plaintext(path, "default"), Failure);
  EXPECT_EQ(read_file(path, 1 << 20), kFile);
}

TEST(SecretField, IsEscapedAndAddedToTheObject) {
  EXPECT_EQ(text_of(with_secret_field("{\"a\":1}", "s", Secret(as_bytes("x\"y\\z")))),
            "{\"a\":1,\"s\":\"x\\\"y\\\\z\"}");
  EXPECT_EQ(text_of(with_secret_field("{}", "s", Secret(as_bytes("x")))), "{\"s\":\"x\"}");
  EXPECT_EQ(text_of(with_secret_field("{}", "s", Secret(as_bytes("a\nb\n")))), R"({"s":"a\nb\n"})");
}

TEST(SecretInput, RefusesWhatCantBeASecretAccessKey) {
  EXPECT_NO_THROW(check_secret(Secret(as_bytes("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))));
  for (const std::string& text : {std::string(), std::string("a b"), std::string("a\nb"),
                                  std::string(125, 'a'), std::string("\xC3\xA4")})
    EXPECT_THROW(check_secret(Secret(as_bytes(text))), Failure) << text;
}

}  // namespace
}  // namespace holdfast::cli
