#include "daemon/policy/window.h"

#include <array>
#include <chrono>

#include <fmt/format.h>

namespace holdfast::policy {
namespace {

constexpr std::array<const char*, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

unsigned day_of(SystemTime time) {
  const std::chrono::weekday day(std::chrono::floor<std::chrono::days>(time));
  return day.iso_encoding() - 1;
}

std::string clock_text(int minute) {
  return fmt::format("{:02}:{:02}", minute / 60, minute % 60);
}

}  // namespace

bool Window::holds(SystemTime now) const {
  if ((after && now < *after) || (before && now >= *before)) return false;
  const auto midnight = std::chrono::floor<std::chrono::days>(now);
  const auto minute =
      static_cast<int>(std::chrono::floor<std::chrono::minutes>(now - midnight).count());
  const unsigned today = day_of(now);
  const auto on = [&](unsigned day) { return ((days >> day) & 1U) != 0; };
  if (from < to) return on(today) && minute >= from && minute < to;
  return (on(today) && minute >= from) || (on((today + 6) % 7) && minute < to);
}

std::string Window::text() const {
  std::string text;
  for (unsigned day = 0; day < kDays.size(); ++day)
    if (days != 0x7F && ((days >> day) & 1U) != 0)
      text.append(text.empty() ? "" : ",").append(kDays.at(day));
  if (from != 0 || to != kDay)
    text.append(text.empty() ? "" : " ").append(clock_text(from) + "-" + clock_text(to));
  if (after) text.append(text.empty() ? "" : " ").append("after " + to_rfc3339(*after));
  if (before) text.append(text.empty() ? "" : " ").append("before " + to_rfc3339(*before));
  return text + " UTC";
}

std::string weekday_and_time(SystemTime time) {
  return std::string(kDays.at(day_of(time))) + " " + to_rfc3339(time);
}

}  // namespace holdfast::policy
