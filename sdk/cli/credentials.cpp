#include "sdk/cli/credentials.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/posix.h"
#include "sdk/cli/aws_file.h"
#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxFile = 1024 * 1024;
constexpr std::string_view kSecret = "aws_secret_access_key";

[[noreturn]] void fail(const std::string& message, const std::string& advice = {}) {
  throw Failure(Exit::failed, message, advice);
}

}  // namespace

std::string credentials_path() {
  return aws_path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
}

SecretText read_credentials_file(const std::string& path) {
  return read_secret_file(path, kMaxFile,
                          "name another file with AWS_SHARED_CREDENTIALS_FILE, or leave --profile "
                          "out and give the secret on standard input");
}

Credentials find_credentials(std::string_view text, const std::string& profile,
                             const std::string& path) {
  int sections = 0;
  bool temporary = false, broken = false, twice = false;
  std::string_view id, secret, last;
  std::string known, last_name;
  each_line(text, [&](const AwsLine& line) {
    if (line.heading) {
      if (line.profile == profile) ++sections;
      known += (known.empty() ? "" : ", ") + printable(line.profile);
    }
    if (line.profile != profile || line.heading) return;
    const auto take = [&](std::string_view& value) {
      if (!value.empty()) twice = true;
      value = line.value;
    };
    if (line.continued) {
      broken = broken || last_name == kSecret || last_name == "aws_access_key_id";
      return;
    }
    if (line.name.empty()) return;
    last_name = line.name;
    if (line.name == "aws_access_key_id") take(id);
    if (line.name == kSecret) take(secret);
    if (line.name == "aws_session_token" || line.name == "aws_security_token") temporary = true;
  });
  const std::string where = path + ", profile " + printable(profile);
  if (sections == 0)
    fail(path + " has no profile " + printable(profile),
         "it has: " + (known.empty() ? "none" : known));
  if (sections > 1 || twice || broken)
    fail(where + ": a section or value stands there twice, or goes on over several lines",
         "make it one section with one line a value");
  if (id.empty() || secret.empty())
    fail(where + ": aws_access_key_id or aws_secret_access_key is missing",
         "choose a profile that holds both, or give the secret on standard input");
  if (temporary || id.starts_with("ASIA"))
    fail(where +
             ": these are temporary credentials, which expire within hours: nothing worth sealing",
         "import the long-term key (AKIA…) they were made from");
  return {std::string(id), Secret(as_bytes(secret))};
}

SecretText without_secret(std::string_view text, const std::string& profile) {
  SecretText out;
  out.reserve(text.size());
  bool dropping = false;
  each_line(text, [&](const AwsLine& line) {
    if (line.continued && dropping) return;
    dropping = !line.heading && line.profile == profile && line.name == kSecret;
    if (!dropping) out.insert(out.end(), line.whole.begin(), line.whole.end());
  });
  return out;
}

void require_sole_copy(const std::string& path, const std::string& by_hand) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0)
    fail("can't look at " + path + ": " + std::strerror(errno), by_hand);
  if (!S_ISREG(info.st_mode))
    fail(path + " is a symbolic link or no plain file: not touched", by_hand);
  if (info.st_nlink != 1)
    fail(path + " has a second hard link, which would keep the secret", by_hand);
  if (info.st_uid != geteuid()) fail(path + " belongs to another user: not touched", by_hand);
}

void remove_plaintext(const std::string& path, const std::string& profile) {
  require_sole_copy(path, "remove the line aws_secret_access_key of this profile by hand");
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) fail("can't look at " + path + ": " + std::strerror(errno));
  const SecretText text = read_credentials_file(path);
  const SecretText rest = without_secret({text.data(), text.size()}, profile);
  replace_file(path, {rest.data(), rest.size()}, info.st_mode & 07777);
}

}  // namespace holdfast::cli
