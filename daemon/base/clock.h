// Time as the rest of the program sees it, so that tests can set it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

using SystemTime = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SystemTime now() const { return std::chrono::system_clock::now(); }
  virtual SteadyTime steady() const { return std::chrono::steady_clock::now(); }
  // Since the machine was started, suspension included; nobody can set it (CLOCK_BOOTTIME).
  virtual std::chrono::nanoseconds boot() const;
};

std::string to_rfc3339(SystemTime time);         // 2026-01-01T00:00:00Z
std::string to_rfc3339_micros(SystemTime time);  // 2026-01-01T00:00:00.000000Z
std::string to_iso8601_basic(SystemTime time);   // 20260101T000000Z, as SigV4 writes it
// UTC only ("Z"), years 1678 to 2261; fractions refused.
std::optional<SystemTime> from_rfc3339(std::string_view text);

// "500ms", "30s", "5m", "12h", "7d"; digits and one unit, nothing else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace holdfast
