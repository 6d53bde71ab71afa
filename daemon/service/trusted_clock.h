// The clock, held against what it can't have lost: CLOCK_BOOTTIME, which nobody sets, and the log's
// last record. Signing with a clock that went back would mint tokens and signatures for a time that
// has passed, and they would look older than the records that lie before them.
#pragma once

#include <optional>

#include "daemon/base/clock.h"

namespace holdfast {

// On the event loop's thread alone.
class TrustedClock {
 public:
  // How far it may lag before it counts as gone back: a step of NTP, and what a fast oscillator, which
  // CLOCK_BOOTTIME follows too, makes it step back again and again. Not more in all, or who waits for
  // months could go back by an hour.
  static constexpr std::chrono::seconds kTolerance{10};
  static constexpr int kDriftPpm = 1000;
  static constexpr std::chrono::seconds kMostDrift{300};

  // `source` outlives this. `last_record`: of the log when it was opened.
  TrustedClock(const Clock& source, std::optional<SystemTime> last_record);

  // The time for records: the clock's, or where it went back the time that must have come since. What
  // was given out once is what the clock is held against from then on.
  SystemTime now();
  SteadyTime steady() const { return source_.steady(); }

  // How far it went back; 0 while it is trusted. It is trusted again as soon as it is right again.
  std::chrono::seconds behind() const;

  // Throws Error{clock_untrusted}.
  void require() const;

  // Takes the clock as it is from now on. Returns how far behind it was.
  std::chrono::seconds accept();

  // Takes note of the time, as now() does; to be called every second. Returns how far the clock went
  // ahead of CLOCK_BOOTTIME since the last call, if more than the tolerance.
  std::chrono::seconds observe();

 private:
  void take_note();
  SystemTime expected() const;
  std::chrono::nanoseconds elapsed() const;

  const Clock& source_;
  SystemTime anchor_;
  std::chrono::nanoseconds anchor_boot_;
  std::chrono::seconds ahead_{0};  // not yet told by observe()
};

}  // namespace holdfast
