// What a request says of everything that is signed in AWS's way: its scope's parts and its time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/json.h"

namespace holdfast::format {

// A region or service: 1 to 64 of a-z, 0-9 and -.
std::string read_scope_part(Fields& fields, std::string_view name);

struct SigningTime {
  SystemTime time;            // whole seconds
  std::chrono::seconds skew;  // |time - now|
};

// `time`, now where it is left out.
SigningTime read_signing_time(Fields& fields, SystemTime now);

}  // namespace holdfast::format
