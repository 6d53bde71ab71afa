#include "sdk/cli/configuration.h"

#include <cstdlib>
#include <filesystem>

#include "daemon/config/config.h"

namespace holdfast::cli {

std::string configuration_path(const std::string& option) {
  if (!option.empty()) return option;
  const char* path = std::getenv("HOLDFAST_CONFIG");
  return path && *path ? path : "/etc/holdfast/holdfast.toml";
}

std::string policy_folder(const std::string& option) {
  return (std::filesystem::path(configuration_path(option)).parent_path() / "policy.d").string();
}

std::string audit_folder(const std::string& option) {
  return config::parse(config::read_files(configuration_path(option))).state_dir + "/audit";
}

}  // namespace holdfast::cli
