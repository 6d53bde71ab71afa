#include "daemon/device/stubborn.h"

#include <memory>
#include <optional>

namespace holdfast::device {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

Factory ending_after(Factory open, std::chrono::milliseconds patience,
                     std::function<bool(const Error&)> would_repeat, std::function<void()> end) {
  return [open = std::move(open), patience, would_repeat = std::move(would_repeat),
          end = std::move(end), failing_since = std::optional<Clock::time_point>()]() mutable {
    // Before it is tried: a library that is beyond help may take long to say so.
    const auto began = Clock::now();
    try {
      auto backend = open();
      failing_since.reset();
      return backend;
    } catch (const Error& error) {
      if (would_repeat(error)) {
        failing_since.reset();
        throw;
      }
      if (!failing_since) failing_since = began;
      if (Clock::now() - *failing_since >= patience) end();
      throw;
    }
  };
}

}  // namespace holdfast::device
