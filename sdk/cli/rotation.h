// What a key's rotation has to do next, read from the key as it is: a rotation that was interrupted
// anywhere goes on from there.
#pragma once

#include <chrono>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/json.h"

namespace holdfast::cli {

struct RotationTimes {
  std::chrono::seconds publish{0};       // from a new version's creation until it signs
  std::chrono::seconds retire_after{0};  // from the end of the former's signing until it is gone
};

struct RotationStep {
  enum class Kind { add, activate, retire, none };
  Kind kind = Kind::none;
  std::string version, kid;  // which to activate or to retire
  SystemTime due;            // not before
};

// `none`: nothing is left of a rotation. `add` follows only from `begin`, where nothing is left of
// an earlier one. `since_when` stands for the time of a change that the document doesn't tell.
// Throws Failure where the next version can't be activated.
RotationStep next_step(const json::object& key, const RotationTimes& times, bool begin,
                       SystemTime since_when);

}  // namespace holdfast::cli
