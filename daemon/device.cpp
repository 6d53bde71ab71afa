// holdfast-device: alone opens one TPM or loads the module of one HSM. Started by holdfastd, with the control socket as
// descriptor 3; keeps no durable state, so that killing it costs nothing but the command under way.
#include <CLI/CLI.hpp>
#include <iostream>

#include "daemon/base/error.h"
#include "daemon/base/hardening.h"
#include "daemon/base/log.h"
#include "daemon/base/protection.h"
#include "daemon/device/control.h"
#include "daemon/device/server.h"
#include "daemon/opening.h"

namespace holdfast {
namespace {

Opening opening_of(const Arguments& arguments) {
  if (arguments.backend == "tpm") return opening_of_tpm(arguments);
  if (arguments.backend == "pkcs11") return opening_of_pkcs11(arguments);
  throw Error(ErrorKind::invalid_request, "device " + arguments.name + ": no backend is called \"" +
                                              arguments.backend +
                                              "\"; this build has: tpm, pkcs11");
}

void run(const Arguments& arguments) {
  log::start("holdfast-device", log::level_from(arguments.log_level));
  block_signals();
  if (!prepare_secret_memory())
    log::warning("secrets_may_be_swapped", {{"why", "memory can't be locked; raise LimitMEMLOCK"}});
  const Opening opening = opening_of(arguments);  // what root alone may read is read here
  become_user(arguments.user, {});
  harden_process();
  die_with_parent();
  const int landlock = restrict_files(opening.files);
  restrict_system_calls(opening.network ? Profile::device_network : Profile::device);
  const Protection found = own_protection(landlock);
  device::send_control(device::kControlFd, {{"protection", to_json(found, gaps_in(found, {}))}});
  device::serve(device::kControlFd, opening.open);
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
  app.add_option("--anchor-index", arguments.anchor_index);
  app.add_option("--module", arguments.module);
  app.add_option("--uri", arguments.uri);
  app.add_option("--pin-file", arguments.pin_file);
  app.add_option("--pin-credential", arguments.pin_credential);
  app.add_option("--on-record", arguments.on_record);
  app.add_option("--pin-mark", arguments.pin_mark);
  app.add_option("--parallel", arguments.parallel);
  app.add_option("--writable", arguments.writable)->allow_extra_args(false);
  app.add_flag("--network", arguments.network);
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
