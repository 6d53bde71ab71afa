// holdfast-device: alone opens one TPM or HSM. Started by holdfastd, with the control socket as
// descriptor 3; keeps no durable state, so that killing it costs nothing but the command under way.
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "daemon/base/error.h"
#include "daemon/base/hardening.h"
#include "daemon/base/landlock.h"
#include "daemon/base/log.h"
#include "daemon/base/protection.h"
#include "daemon/device/control.h"
#include "daemon/device/server.h"
#include "tpm/backend.h"

namespace holdfast {
namespace {

struct Arguments {
  std::string name, backend, tcti, sessions = "auto", user, log_level = "info";
};

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

bool needs_network(const std::string& tcti) {
  return node_of(tcti).empty() && !tcti.starts_with("swtpm:path=");
}

// Libraries, for tpm2-tss loads the one that reaches the TPM; and the TPM.
FileRules file_rules(const Arguments& arguments) {
  FileRules rules;
  rules.read = {"/usr", "/lib", "/lib64", "/etc", "/proc", "/dev/urandom"};
  if (const std::string node = node_of(arguments.tcti); !node.empty()) rules.devices = {node};
  rules.tcp = needs_network(arguments.tcti);
  return rules;
}

// 0 where there is none.
ino_t inode_of(const std::string& path) {
  struct stat status {};
  return !path.empty() && ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

device::Factory factory_of(const Arguments& arguments) {
  if (arguments.backend == "tpm")
    return [tcti = arguments.tcti, sessions = sessions_of(arguments),
            node = node_of(arguments.tcti), inode = inode_of(node_of(arguments.tcti))] {
      // The rule is for the file that was there at the start; the driver's return makes a new one.
      if (inode_of(node) != inode && inode_of(node) != 0) {
        log::warning("device_node_is_another", {{"done", "ending, to be started anew"}});
        std::_Exit(0);
      }
      return tpm::open(tcti, sessions);
    };
  throw Error(ErrorKind::invalid_request, "device " + arguments.name + ": no backend is called \"" +
                                              arguments.backend + "\"; this build has: tpm");
}

void run(const Arguments& arguments) {
  log::start("holdfast-device", log::level_from(arguments.log_level));
  // tpm2-tss runs its command through a shell, and nothing in this process may exec.
  if (arguments.tcti.starts_with("cmd:"))
    throw Error(ErrorKind::invalid_request,
                "device " + arguments.name +
                    ": a TCTI that starts a program (\"cmd:\") is not "
                    "supported; name the TPM itself, such as \"device:/dev/tpmrm0\"");
  const device::Factory open = factory_of(arguments);

  block_signals();
  become_user(arguments.user, {});
  if (!prepare_secret_memory())
    log::warning("secrets_may_be_swapped", {{"why", "memory can't be locked; raise LimitMEMLOCK"}});
  harden_process();
  die_with_parent();
  const int landlock = restrict_files(file_rules(arguments));
  restrict_system_calls(needs_network(arguments.tcti) ? Profile::device_network : Profile::device);
  const Protection found = own_protection(landlock);
  device::send_control(device::kControlFd, {{"protection", to_json(found, gaps_in(found, {}))}});
  device::serve(device::kControlFd, open);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  holdfast::Arguments arguments;
  CLI::App app("One device process of holdfastd, which alone starts it.");
  app.add_option("--name", arguments.name)->required();
  app.add_option("--backend", arguments.backend)->required();
  app.add_option("--tcti", arguments.tcti);
  app.add_option("--sessions", arguments.sessions);
  app.add_option("--user", arguments.user);
  app.add_option("--log-level", arguments.log_level);
  CLI11_PARSE(app, argc, argv);
  try {
    holdfast::run(arguments);
    return 0;
  } catch (const std::exception& error) {
    holdfast::log::error("device_process_failed",
                         {{"device", arguments.name}, {"why", error.what()}});
    return 1;
  }
}
