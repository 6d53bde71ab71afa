#include "daemon/service/trusted_clock.h"

#include <algorithm>
#include <utility>

#include "daemon/base/error.h"

namespace holdfast {

using std::chrono::nanoseconds;
using std::chrono::seconds;

TrustedClock::TrustedClock(const Clock& source, std::optional<SystemTime> last_record)
    : source_(source),
      anchor_(std::max(source.now(), last_record.value_or(SystemTime::min()))),
      anchor_boot_(source.boot()) {}

nanoseconds TrustedClock::elapsed() const {
  return std::max(source_.boot() - anchor_boot_, nanoseconds(0));
}

SystemTime TrustedClock::expected() const {
  return anchor_ + std::chrono::duration_cast<SystemTime::duration>(elapsed());
}

seconds TrustedClock::behind() const {
  const nanoseconds late = expected() - source_.now();
  const nanoseconds drift = elapsed() / 1'000'000 * kDriftPpm;
  const nanoseconds allowed = kTolerance + std::min<nanoseconds>(drift, kMostDrift);
  return late <= allowed ? seconds(0) : std::chrono::ceil<seconds>(late);
}

SystemTime TrustedClock::now() {
  take_note();
  return behind() == seconds(0) ? source_.now() : expected();
}

void TrustedClock::require() const {
  if (const seconds late = behind(); late != seconds(0))
    throw Error(ErrorKind::clock_untrusted,
                "the clock went back by " + std::to_string(late.count()) +
                    " s: set it right, or have an administrator run `holdfast clock accept`");
}

seconds TrustedClock::accept() {
  const seconds late = behind();
  anchor_ = source_.now();
  anchor_boot_ = source_.boot();
  return late;
}

void TrustedClock::take_note() {
  const SystemTime now = source_.now();
  const nanoseconds ahead = now - expected();
  if (ahead <= nanoseconds(0)) return;
  anchor_ = now;
  anchor_boot_ = source_.boot();
  if (ahead > kTolerance) ahead_ += std::chrono::floor<seconds>(ahead);
}

seconds TrustedClock::observe() {
  take_note();
  return std::exchange(ahead_, seconds(0));
}

}  // namespace holdfast
