// What the device process does with one command.
#pragma once

#include <string>

#include "daemon/device/message.h"

namespace holdfast::device {

// May other commands of this kind be executed at the same time, as many as describe().parallel says?
bool runs_beside_others(const Command& command) noexcept;

struct Executed {
  Answer answer;     // a Failure where the device or the command is at fault
  std::string loss;  // why the device has to be opened again; empty: it has not
};
// `meanwhile` as in Backend::sign().
Executed execute(Backend& backend, const Command& command, const Backend::Meanwhile& meanwhile);

}  // namespace holdfast::device
