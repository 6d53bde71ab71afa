#include "daemon/service/files.h"

#include <filesystem>

namespace holdfast {

FileRules files_of_core(const config::Config& config) {
  std::error_code ignored;
  const auto folder = std::filesystem::weakly_canonical(config.path, ignored).parent_path();
  const auto grants = std::filesystem::weakly_canonical(folder / "policy.d", ignored);
  // For the names of users and groups: files that are replaced when they change, modules of libc, the
  // folders of systemd's, SSSD's and nscd's services. /proc: what it finds of itself.
  return {.read = {folder, grants, "/etc", "/usr", "/lib", "/lib64", "/proc", "/dev/null",
                   "/dev/urandom", "/run/systemd", "/run/userdb", "/var/lib/sss",
                   "/var/lib/extrausers", "/var/cache/nscd"},
          .write = {config.state_dir},
          .devices = {},
          .tcp = false};
}

}  // namespace holdfast
