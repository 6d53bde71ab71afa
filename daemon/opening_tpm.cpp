#include <sys/stat.h>

#include <cstdlib>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/opening.h"
#include "tpm/backend.h"

namespace holdfast {
namespace {

tpm::Sessions sessions_of(const Arguments& arguments) {
  if (arguments.sessions == "auto") return tpm::Sessions::automatic;
  if (arguments.sessions == "encrypted") return tpm::Sessions::encrypted;
  if (arguments.sessions == "plain") return tpm::Sessions::plain;
  throw Error(ErrorKind::invalid_request,
              "device " + arguments.name + ": sessions are \"encrypted\" or \"plain\"");
}

// Of "device:/dev/tpmrm0"; empty for a TPM that is no file.
std::string node_of(const std::string& tcti) {
  constexpr std::string_view before = "device:";
  return tcti.starts_with(before) ? tcti.substr(before.size()) : std::string();
}

// 0 where there is none.
ino_t inode_of(const std::string& path) {
  struct stat status {};
  return !path.empty() && ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

Opening opening_of_tpm(const Arguments& arguments) {
  // tpm2-tss runs its command through a shell, and nothing in this process may exec.
  if (arguments.tcti.starts_with("cmd:"))
    throw Error(ErrorKind::invalid_request,
                "device " + arguments.name +
                    ": a TCTI that starts a program (\"cmd:\") is not "
                    "supported; name the TPM itself, such as \"device:/dev/tpmrm0\"");
  const std::string node = node_of(arguments.tcti);
  Opening opening;
  opening.network = node.empty() && !arguments.tcti.starts_with("swtpm:path=");
  // Libraries, for tpm2-tss loads the one that reaches the TPM; and the TPM.
  opening.files.read = {"/usr", "/lib", "/lib64", "/etc", "/proc", "/dev/urandom"};
  if (!node.empty()) opening.files.devices = {node};
  opening.files.tcp = opening.network;
  opening.open = [tcti = arguments.tcti, sessions = sessions_of(arguments),
                  index = arguments.anchor_index.value_or(tpm::kAnchorIndex), node,
                  inode = inode_of(node)] {
    // The rule is for the file that was there at the start; the driver's return makes a new one.
    if (inode_of(node) != inode && inode_of(node) != 0) {
      log::warning("device_node_is_another", {{"done", "ending, to be started anew"}});
      std::_Exit(0);
    }
    return tpm::open(tcti, sessions, index);
  };
  return opening;
}

}  // namespace holdfast
