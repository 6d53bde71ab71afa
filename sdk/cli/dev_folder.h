// The folder of `holdfast dev`: its lock, its configuration (made if absent), its TPM's state.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/posix.h"

namespace holdfast::cli {

struct DevFolder {
  std::string path;     // absolute
  std::string config;   // holdfast.toml in it
  std::string runtime;  // where the sockets are: the folder itself, or elsewhere
  std::string tpm_state;
  std::vector<std::string> tpm_sockets;  // of the devices that are a software TPM on a Unix socket
  UniqueFd lock;                         // held while it is used
};

// Makes what is missing. Throws Failure where another `holdfast dev` uses the folder, where it is
// not ours alone, or where its configuration is wrong.
DevFolder open_dev_folder(const std::string& path);

// Where the sockets of `folder` can be: in it, unless their paths get too long there, the path
// can't be written into a TCTI, or its file system takes no sockets.
std::string choose_runtime_folder(const std::string& folder);

std::string dev_configuration(const std::string& folder, const std::string& runtime, unsigned uid);

}  // namespace holdfast::cli
