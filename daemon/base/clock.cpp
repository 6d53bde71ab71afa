#include "daemon/base/clock.h"

#include <time.h>

namespace holdfast {
namespace {

using namespace std::chrono;

// Each record and each signature has one of these: printf takes ten times as long.
void append(std::string& out, unsigned value, int width) {
  const std::size_t start = out.size();
  out.resize(start + static_cast<std::size_t>(width));
  for (std::size_t at = out.size(); at > start; value /= 10)
    out[--at] = static_cast<char>('0' + value % 10);
}

// Date and time with what stands between their parts, up to the seconds.
std::string print(SystemTime time, std::string_view between_date, std::string_view between_time) {
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time - day)};
  std::string text;
  text.reserve(32);
  append(text, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  append(text.append(between_date), static_cast<unsigned>(date.month()), 2);
  append(text.append(between_date), static_cast<unsigned>(date.day()), 2);
  append(text.append("T"), static_cast<unsigned>(clock.hours().count()), 2);
  append(text.append(between_time), static_cast<unsigned>(clock.minutes().count()), 2);
  append(text.append(between_time), static_cast<unsigned>(clock.seconds().count()), 2);
  return text;
}

std::optional<int> digits(std::string_view text) {
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::chrono::nanoseconds Clock::boot() const {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

std::string to_rfc3339(SystemTime time) {
  return print(time, "-", ":").append("Z");
}

std::string to_rfc3339_micros(SystemTime time) {
  const auto micros = duration_cast<microseconds>(time - floor<seconds>(time)).count();
  std::string text = print(time, "-", ":").append(".");
  append(text, static_cast<unsigned>(micros), 6);
  return text.append("Z");
}

std::string to_iso8601_basic(SystemTime time) {
  return print(time, "", "").append("Z");
}

std::optional<SystemTime> from_rfc3339(std::string_view text) {
  if (text.size() != 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || text[19] != 'Z')
    return std::nullopt;
  const auto y = digits(text.substr(0, 4)), mo = digits(text.substr(5, 2)),
             d = digits(text.substr(8, 2)), h = digits(text.substr(11, 2)),
             mi = digits(text.substr(14, 2)), s = digits(text.substr(17, 2));
  if (!y || !mo || !d || !h || !mi || !s || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
  // The whole years that 64 bits of nanoseconds hold: any other would wrap round.
  if (*y < 1678 || *y > 2261) return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)},
                            day{static_cast<unsigned>(*d)}};
  if (!date.ok()) return std::nullopt;
  return sys_days{date} + hours{*h} + minutes{*mi} + seconds{*s};
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  const auto end = text.find_first_not_of("0123456789");
  // Nine digits of the largest unit still fit.
  if (end == 0 || end == std::string_view::npos || end > 9) return std::nullopt;
  const milliseconds count{*digits(text.substr(0, end))};
  const std::string_view unit = text.substr(end);
  if (unit == "ms") return count;
  if (unit == "s") return count * 1000;
  if (unit == "m") return count * 60'000;
  if (unit == "h") return count * 3'600'000;
  if (unit == "d") return count * 86'400'000;
  return std::nullopt;
}

}  // namespace holdfast
