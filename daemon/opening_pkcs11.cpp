#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/device/pin.h"
#include "daemon/device/stubborn.h"
#include "daemon/opening.h"
#include "pkcs11/backend.h"
#include "pkcs11/trusted_file.h"

namespace holdfast {
namespace {

// Then a new process is tried: for some modules nothing else helps.
constexpr std::chrono::seconds kPatience{10};

// The PIN, or why there is none, which the device then says of itself as long as it is so.
struct Pin {
  Secret pin;
  std::optional<Error> fault;
};

Pin pin_of(const Arguments& arguments) {
  try {
    if (!arguments.pin_file.empty()) return {device::read_pin(arguments.pin_file), {}};
    if (!arguments.pin_credential.empty())
      return {device::read_pin(device::credential_path(arguments.pin_credential)), {}};
    return {};
  } catch (const Error& error) {
    return {{}, error};
  }
}

// A module says little of why it could not write.
void demand_writable(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders)
    if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0)
      throw Error(ErrorKind::device_unavailable,
                  "the device process (uid " + std::to_string(::geteuid()) + ") can't write to " +
                      folder + ", which `writable` names: " + std::strerror(errno));
}

// The module is root's alone. Judged as root: later the process's own user would pass too.
std::optional<Error> fault_of_module(const std::string& path) {
  try {
    pkcs11::trusted_file(path);
    return {};
  } catch (const Error& error) {
    return error;
  }
}

// Settings that can't be right, and a PIN: a successor would give the token a wrong one once more.
bool would_repeat(const Error& error) {
  return error.kind() == ErrorKind::invalid_request || error.where() == "C_Login";
}

[[noreturn]] void end(std::string_view why) {
  log::warning(why, {{"done", "ending, to be started anew"}});
  std::_Exit(0);
}

}  // namespace

Opening opening_of_pkcs11(const Arguments& arguments) {
  Opening opening;
  opening.network = arguments.network;
  opening.files.read = {"/usr", "/lib",  "/lib64",       "/etc",
                        "/opt", "/proc", "/dev/urandom", arguments.module};
  opening.files.write = arguments.writable;
  opening.files.tcp = arguments.network;
  const auto pin = std::make_shared<const Pin>(pin_of(arguments));
  const auto mark = std::make_shared<const PinMark>(UniqueFd(arguments.pin_mark));
  opening.open = device::ending_after(
      [pin, mark, arguments, on_record = arguments.on_record,
       module_fault = fault_of_module(arguments.module),
       refusal = std::optional<Error>()]() mutable -> std::unique_ptr<Backend> {
        if (pin->fault) throw *pin->fault;
        if (module_fault) throw *module_fault;
        // Nor is the module touched again.
        if (refusal) throw *refusal;
        demand_writable(arguments.writable);
        try {
          auto backend = pkcs11::open({.module = arguments.module,
                                       .uri = arguments.uri,
                                       .pin = pin->pin.clone(),
                                       .sessions = arguments.parallel,
                                       .name = arguments.name,
                                       .on_record = on_record,
                                       .mark = mark,
                                       .beyond_help = [] { end("device_fails_each_command"); }});
          on_record = backend->describe().parent_name;  // the first one's, where none was
          return backend;
        } catch (const Error& error) {
          if (error.where() == "C_Login") refusal = error;
          throw;
        }
      },
      kPatience, would_repeat, [] { end("device_not_opened_for_long"); });
  return opening;
}

}  // namespace holdfast
