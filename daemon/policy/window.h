// When a grant holds: days of the week, hours of the day, and from when until when; all in UTC.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/clock.h"

namespace holdfast::policy {

struct Window {
  static constexpr int kDay = 24 * 60;  // in minutes

  std::uint8_t days = 0x7F;  // Monday is bit 0: the day on which the hours begin
  int from = 0;              // minute of the day
  int to = kDay;             // the first minute that is outside; before `from`: of the next day
  std::optional<SystemTime> after{};
  std::optional<SystemTime> before{};

  bool holds(SystemTime now) const;
  std::string text() const;  // "mon-fri 08:00-18:00 UTC"
};

std::string weekday_and_time(SystemTime time);  // "mon 2026-01-05T09:00:00Z"

}  // namespace holdfast::policy
