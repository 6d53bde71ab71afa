// For devices whose library only a new process brings back.
#pragma once

#include <chrono>
#include <functional>

#include "daemon/base/error.h"
#include "daemon/device/server.h"

namespace holdfast::device {

// Opens as `open` does. When that has failed for `patience` without a success between, `end` is called, so that
// a successor tries; but never for what `would_repeat` says of, which a successor would only do again.
Factory ending_after(Factory open, std::chrono::milliseconds patience,
                     std::function<bool(const Error&)> would_repeat, std::function<void()> end);

}  // namespace holdfast::device
