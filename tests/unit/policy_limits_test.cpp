#include "daemon/policy/limits.h"

#include <gtest/gtest.h>

#include <random>

namespace holdfast::policy {
namespace {

using namespace std::chrono_literals;

std::shared_ptr<const Policy> with_limits(const std::string& limits) {
  return Policy::load({{"h.toml",
                        "[[grant]]\nname = \"free\"\nkey = \"k\"\ncaller = { uid = 1 }\n"
                        "[[grant]]\nname = \"g\"\nkey = \"k\"\ncaller = { uid = 1 }\nlimits = { " +
                            limits + " }\n"}});
}

const SteadyTime kStart = SteadyTime{} + 1000h;

TEST(Limiter, GivesTheBurstThenTheRate) {
  const auto policy = with_limits("rate = \"10/s\", burst = 3");
  Limiter limiter(*policy);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limiter.take(1, kStart));
  EXPECT_EQ(limiter.take(1, kStart), 1s);
  EXPECT_EQ(limiter.take(1, kStart + 50ms), 1s);
  EXPECT_FALSE(limiter.take(1, kStart + 100ms));
  EXPECT_TRUE(limiter.take(1, kStart + 150ms));
}

TEST(Limiter, NeverLimitsAGrantWithoutARate) {
  const auto policy = with_limits("rate = \"1/d\"");
  Limiter limiter(*policy);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limiter.take(0, kStart));
}

TEST(Limiter, ReadsEachUnitAndDefaultsTheBurstToTheNumber) {
  const struct {
    const char* rate;
    double per_second;
    std::uint32_t burst;
  } cases[] = {{"100/s", 100, 100}, {"30/m", 0.5, 30}, {"36/h", 0.01, 36}, {"1/d", 1.0 / 86400, 1}};
  for (const auto& c : cases) {
    const auto policy = with_limits(std::string("rate = \"") + c.rate + "\"");
    ASSERT_TRUE(policy->rate(1));
    EXPECT_DOUBLE_EQ(policy->rate(1)->per_second, c.per_second);
    EXPECT_EQ(policy->rate(1)->burst, c.burst);
    EXPECT_FALSE(policy->rate(0));
  }
}

TEST(Limiter, WhoWaitsAsToldIsServed) {
  for (const char* rate : {"3/s", "7/m", "11/h", "13/d", "1/d"}) {
    const auto policy = with_limits(std::string("rate = \"") + rate + "\", burst = 1");
    Limiter limiter(*policy);
    SteadyTime now = kStart;
    EXPECT_FALSE(limiter.take(1, now));
    for (int i = 0; i < 200; ++i) {
      const auto wait = limiter.take(1, now);
      ASSERT_TRUE(wait) << rate;
      EXPECT_GE(*wait, 1s);
      now += *wait;
      ASSERT_FALSE(limiter.take(1, now)) << rate << " after " << wait->count() << " s";
    }
  }
}

TEST(Limiter, NeverGivesMoreThanBurstAndRate) {
  const auto policy = with_limits("rate = \"20/s\", burst = 5");
  Limiter limiter(*policy);
  std::mt19937 random(3);
  SteadyTime now = kStart;
  int given = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += std::chrono::microseconds(random() % 20'000);
    given += !limiter.take(1, now);
  }
  const double seconds = std::chrono::duration<double>(now - kStart).count();
  EXPECT_LE(given, 5 + 20 * seconds + 1);
  EXPECT_GE(given, 20 * seconds - 5);
}

TEST(Limiter, SurvivesATimeThatStandsStillOrGoesBack) {
  const auto policy = with_limits("rate = \"1/s\"");
  Limiter limiter(*policy);
  EXPECT_FALSE(limiter.take(1, kStart));
  EXPECT_EQ(limiter.take(1, kStart - 1h), 1s);
  EXPECT_FALSE(limiter.take(1, kStart + 1s));
}

}  // namespace
}  // namespace holdfast::policy
