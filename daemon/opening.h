// How a device process of each backend opens its device, and what it needs for that. Twin files: opening_tpm.cpp
// and opening_pkcs11.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/landlock.h"
#include "daemon/device/server.h"

namespace holdfast {

// As the supervisor's device_command() writes them.
struct Arguments {
  std::string name, backend, user, log_level = "info";
  std::string tcti, sessions = "auto";
  std::optional<std::uint32_t> anchor_index;
  std::string module, uri, pin_file, pin_credential;
  std::string on_record;  // the token that the device's keys are on; empty: not known yet
  int pin_mark = -1;      // the descriptor of PinMark's file
  std::uint32_t parallel = 0;
  std::vector<std::string> writable;
  bool network = false;
};

struct Opening {
  FileRules files;
  bool network = false;  // may it make sockets of other kinds than Unix?
  device::Factory open;
};

// Called before the process becomes another user, so that what is root's alone can be read. Throw
// Error{invalid_request} for arguments that can't be right.
Opening opening_of_tpm(const Arguments& arguments);
Opening opening_of_pkcs11(const Arguments& arguments);

}  // namespace holdfast
