#include "daemon/base/clock.h"

#include <time.h>

#include <array>
#include <cstdio>

namespace holdfast {
namespace {

using namespace std::chrono;

struct Parts {
  int year;
  unsigned month, day;
  int hour, minute, second;
};

Parts split(SystemTime time) {
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time - day)};
  return {static_cast<int>(date.year()),
          static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count())};
}

std::string print(const char* format, SystemTime time) {
  const Parts p = split(time);
  std::array<char, 64> text;
  const int length = std::snprintf(text.data(), text.size(), format, p.year, p.month, p.day, p.hour,
                                   p.minute, p.second);
  return {text.data(), static_cast<std::size_t>(length)};
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
  return print("%04d-%02u-%02uT%02d:%02d:%02dZ", time);
}

std::string to_rfc3339_micros(SystemTime time) {
  std::string text = to_rfc3339(time);
  const auto micros = duration_cast<microseconds>(time - floor<seconds>(time)).count();
  std::array<char, 16> fraction;
  std::snprintf(fraction.data(), fraction.size(), ".%06dZ", static_cast<int>(micros));
  text.pop_back();
  return text + fraction.data();
}

std::string to_iso8601_basic(SystemTime time) {
  return print("%04d%02u%02uT%02d%02d%02dZ", time);
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
