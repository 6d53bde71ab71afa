#include "daemon/base/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast {
namespace {

// linux/landlock.h of the newest kernel; Debian 12's headers end at version 2.
struct Attributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scopes = 0;
};
constexpr std::uint64_t kTruncate = 1ULL << 14;  // version 3
constexpr std::uint64_t kControl = 1ULL << 15;   // version 5: ioctl of devices
constexpr std::uint64_t kTcp = 3;                // version 4: bind, connect
constexpr std::uint64_t kScopes = 3;             // version 6: abstract Unix sockets, signals

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_REFER | kTruncate;
constexpr std::uint64_t kDevice =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kControl;
// What a rule for something that is no folder may hold.
constexpr std::uint64_t kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
                                   LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kControl;

std::uint64_t files_of(int version) {
  std::uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  if (version >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) all |= kTruncate;
  if (version >= 5) all |= kControl;
  return all;
}

void allow(int ruleset, const std::string& path, std::uint64_t access) {
  const UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return;
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(status.st_mode) ? access : access & kOfFiles;
  rule.parent_fd = file.get();
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    throw_errno(ErrorKind::internal, "landlock_add_rule " + path);
}

}  // namespace

int restrict_files(const FileRules& rules) {
  const auto version = static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM)) return 0;
  if (version < 0) throw_errno(ErrorKind::internal, "landlock_create_ruleset");
  Attributes handled;
  handled.files = files_of(version);
  if (version >= 4 && !rules.tcp) handled.network = kTcp;
  if (version >= 6) handled.scopes = kScopes;
  const UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0)));
  if (!ruleset) throw_errno(ErrorKind::internal, "landlock_create_ruleset");
  for (const std::string& path : rules.read) allow(ruleset.get(), path, kRead & handled.files);
  for (const std::string& path : rules.write) allow(ruleset.get(), path, kWrite & handled.files);
  for (const std::string& path : rules.devices) allow(ruleset.get(), path, kDevice & handled.files);
#ifdef HOLDFAST_COVERAGE  // where the counts are written at the end
  allow(ruleset.get(), HOLDFAST_COVERAGE, kWrite & handled.files);
#endif
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    throw_errno(ErrorKind::internal, "landlock_restrict_self");
  return version;
}

}  // namespace holdfast
