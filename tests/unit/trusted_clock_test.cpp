#include "daemon/service/trusted_clock.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class SetClock final : public Clock {
 public:
  SystemTime now() const override { return wall; }
  std::chrono::nanoseconds boot() const override { return since_boot; }
  void pass(std::chrono::nanoseconds time) {
    wall += std::chrono::duration_cast<SystemTime::duration>(time);
    since_boot += time;
  }

  SystemTime wall = *from_rfc3339("2026-01-01T00:00:00Z");
  std::chrono::nanoseconds since_boot = 1000s;
};

bool refuses(const TrustedClock& clock) {
  try {
    clock.require();
    return false;
  } catch (const Error& error) {
    return error.kind() == ErrorKind::clock_untrusted;
  }
}

TEST(TrustedClock, IsTrustedWhileItGoesOn) {
  SetClock time;
  TrustedClock clock(time, time.wall - 1h);
  for (int i = 0; i < 1000; ++i) {
    time.pass(7s);
    EXPECT_EQ(clock.observe(), 0s);
    EXPECT_FALSE(refuses(clock));
    EXPECT_EQ(clock.now(), time.wall);
  }
}

TEST(TrustedClock, IsRefusedAfterItWentBackAndTrustedAgainWhenItIsRight) {
  for (const std::chrono::seconds step : {1h, 24h * 3652}) {
    SetClock time;
    TrustedClock clock(time, std::nullopt);
    time.pass(60s);
    time.wall -= step;
    EXPECT_TRUE(refuses(clock));
    EXPECT_EQ(clock.behind(), step);
    EXPECT_EQ(clock.now(), time.wall + step) << "records go on with the time that must have come";
    time.pass(60s);
    EXPECT_EQ(clock.observe(), 0s);
    EXPECT_TRUE(refuses(clock)) << "waiting does not help";
    time.wall += step;
    EXPECT_FALSE(refuses(clock));
  }
}

TEST(TrustedClock, TakesSmallStepsOfNtp) {
  SetClock time;
  const TrustedClock clock(time, std::nullopt);
  time.wall -= 9s;
  EXPECT_FALSE(refuses(clock));
  time.wall -= 2s;
  EXPECT_TRUE(refuses(clock));
}

TEST(TrustedClock, TakesAFastOscillatorsStepsButNoCreepingBack) {
  SetClock time;
  TrustedClock clock(time, std::nullopt);
  for (int i = 0; i < 24 * 3600; ++i) {  // a day, 500 ppm slow
    time.pass(1s);
    time.wall -= 500us;
    clock.observe();
  }
  EXPECT_FALSE(refuses(clock));
  for (int i = 0; i < 200; ++i) {  // stands still
    time.pass(1s);
    time.wall -= 1s;
    clock.observe();
  }
  EXPECT_TRUE(refuses(clock));
}

TEST(TrustedClock, GoesNotBackByAnHourHoweverLongItRanAfterASmallStepBack) {
  for (const std::chrono::hours run : {24h, 60 * 24h, 3650 * 24h}) {
    SetClock time;
    TrustedClock clock(time, std::nullopt);
    time.wall -= 1s;  // of NTP; from then on the clock is never ahead of what is expected
    for (int i = 0; i < 100; ++i) {
      time.pass(run / 100);
      EXPECT_EQ(clock.observe(), 0s);
    }
    EXPECT_FALSE(refuses(clock));
    time.wall -= 1h;
    EXPECT_TRUE(refuses(clock)) << run.count() << " h";
  }
}

TEST(TrustedClock, IsHeldAgainstTheLastRecord) {
  SetClock time;
  TrustedClock behind(time, time.wall + 1h);
  EXPECT_TRUE(refuses(behind));
  EXPECT_EQ(behind.behind(), 1h);
  EXPECT_GE(behind.now(), time.wall + 1h);
  const TrustedClock right(time, time.wall);
  EXPECT_FALSE(refuses(right));
}

TEST(TrustedClock, TellsHowFarItWentAheadOnce) {
  for (const std::chrono::seconds step : {1h, 24h * 3652}) {
    SetClock time;
    TrustedClock clock(time, std::nullopt);
    time.pass(1s);
    time.wall += step;
    EXPECT_FALSE(refuses(clock));
    EXPECT_EQ(clock.observe(), step);
    EXPECT_EQ(clock.observe(), 0s);
    time.wall -= step;
    EXPECT_TRUE(refuses(clock)) << "back from there is back";
  }
}

TEST(TrustedClock, DoesNotGoBackBehindATimeItGave) {
  SetClock time;
  TrustedClock clock(time, std::nullopt);
  time.wall += 1h;
  const SystemTime given = clock.now();
  time.wall -= 1h;
  EXPECT_TRUE(refuses(clock));
  EXPECT_GE(clock.now(), given);
  EXPECT_EQ(clock.observe(), 1h) << "it is told all the same";
}

TEST(TrustedClock, CountsFromNowOnOnceAccepted) {
  SetClock time;
  TrustedClock clock(time, std::nullopt);
  time.wall -= 1h;
  EXPECT_EQ(clock.accept(), 1h);
  EXPECT_FALSE(refuses(clock));
  EXPECT_EQ(clock.accept(), 0s);
  time.wall -= 1min;
  EXPECT_TRUE(refuses(clock));
}

}  // namespace
}  // namespace holdfast
