// holdfast-device: alone opens one TPM or HSM. Started by holdfastd, with the control socket as
// descriptor 3; keeps no durable state, so that killing it costs nothing but the command under way.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/base/error.h"
#include "daemon/base/hardening.h"
#include "daemon/base/log.h"
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

device::Factory factory_of(const Arguments& arguments) {
  if (arguments.backend == "tpm")
    return [tcti = arguments.tcti, sessions = sessions_of(arguments)] {
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

  sigset_t all;
  sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, nullptr) != 0)
    throw_errno(ErrorKind::internal, "sigprocmask");
  become_user(arguments.user, false);
  if (!prepare_secret_memory())
    log::warning("secrets_may_be_swapped", {{"why", "memory can't be locked; raise LimitMEMLOCK"}});
  harden_process();
  restrict_system_calls(Profile::device);
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
