#include <algorithm>
#include <thread>

#include "sdk/aws/cache.h"
#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;

constexpr auto kEarly = 10min;
constexpr auto kServable = 1min;
constexpr auto kPoll = 20ms;
// Where there is something to serve meanwhile, nobody waits longer for what is new, nor again so soon.
constexpr auto kRenewal = 5s;
constexpr auto kPause = 30s;

class CachedSource final : public Source {
 public:
  CachedSource(const Request& request, std::unique_ptr<Source> source, Warn warn,
               const Clock& clock)
      : name_(fingerprint(request)),
        source_(std::move(source)),
        warn_(std::move(warn)),
        clock_(clock) {}

  Credentials fetch(SteadyTime deadline) override {
    Cache cache(name_, warn_);
    auto kept = cache.read();
    if (kept && (fresh(*kept) || (servable(*kept) && clock_.steady() < again_)))
      return std::move(*kept);
    const auto lock = take(cache, kept, deadline);
    if (lock == Cache::Lock::busy && kept && servable(*kept)) return std::move(*kept);
    if (auto now = cache.read()) kept = std::move(now);
    if (kept && fresh(*kept)) return std::move(*kept);
    if (kept && servable(*kept)) deadline = std::min(deadline, clock_.steady() + kRenewal);
    try {
      Credentials got = source_->fetch(deadline);
      if (lock == Cache::Lock::taken) cache.write(got);
      return got;
    } catch (const cli::Failure& failure) {
      if (!kept || !servable(*kept)) throw;
      again_ = clock_.steady() + kPause;
      warn_("these credentials could not be renewed, and end at " + to_rfc3339(kept->expiration) +
            ": " + failure.message());
      return std::move(*kept);
    }
  }

 private:
  bool fresh(const Credentials& credentials) const {
    const auto lifetime = credentials.expiration - credentials.obtained;
    return lasts(credentials, std::clamp<SystemTime::duration>(lifetime / 3, 0s, kEarly));
  }
  bool servable(const Credentials& credentials) const { return lasts(credentials, kServable); }
  // Not where the clock was set back since, and no longer tells how long they have been there.
  bool lasts(const Credentials& credentials, SystemTime::duration least) const {
    const SystemTime now = clock_.now();
    return credentials.expiration - now > least && credentials.obtained - now <= kServable;
  }

  // Waits only where there is nothing to serve meanwhile, and half the time: who holds the lock may have been
  // stopped.
  Cache::Lock take(Cache& cache, const std::optional<Credentials>& kept, SteadyTime deadline) {
    const SteadyTime enough = clock_.steady() + (deadline - clock_.steady()) / 2;
    for (;;) {
      const auto lock = cache.try_lock();
      if (lock != Cache::Lock::busy || (kept && servable(*kept))) return lock;
      if (clock_.steady() + kPoll >= enough) return lock;
      std::this_thread::sleep_for(kPoll);
    }
  }

  std::string name_;
  std::unique_ptr<Source> source_;
  Warn warn_;
  const Clock& clock_;
  SteadyTime again_{};  // not renewed before, after it failed
};

}  // namespace

std::unique_ptr<Source> make_cached(const Request& request, std::unique_ptr<Source> source,
                                    Warn warn, const Clock& clock) {
  return std::make_unique<CachedSource>(request, std::move(source), std::move(warn), clock);
}

}  // namespace holdfast::aws
