// Where the daemon's configuration lies, for commands that work without it running.
#pragma once

#include <string>

namespace holdfast::cli {

// `option` if given, else $HOLDFAST_CONFIG, else /etc/holdfast/holdfast.toml.
std::string configuration_path(const std::string& option);
// policy.d beside it.
std::string policy_folder(const std::string& option);
// The audit log's folder, from the configuration's state_dir. Throws Error.
std::string audit_folder(const std::string& option);

}  // namespace holdfast::cli
