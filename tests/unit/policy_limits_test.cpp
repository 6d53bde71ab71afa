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
const SystemTime kToday = *from_rfc3339("2026-01-05T09:00:00Z");

// How long to wait for one of the grant's; nullopt: it was given.
std::optional<std::chrono::seconds> take(Limiter& limiter, std::size_t grant, SteadyTime now) {
  const Admission admission = limiter.take(grant, 1001, now, kToday);
  return admission.used_up.empty() ? std::nullopt : std::optional(admission.wait);
}

TEST(Limiter, GivesTheBurstThenTheRate) {
  const auto policy = with_limits("rate = \"10/s\", burst = 3");
  Limiter limiter(*policy);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(take(limiter, 1, kStart));
  EXPECT_EQ(take(limiter, 1, kStart), 1s);
  EXPECT_EQ(take(limiter, 1, kStart + 50ms), 1s);
  EXPECT_FALSE(take(limiter, 1, kStart + 100ms));
  EXPECT_TRUE(take(limiter, 1, kStart + 150ms));
}

TEST(Limiter, GivesAPlaceToWhatWasCountedBefore) {
  const auto policy = with_limits(
      "rate = \"1/d\", daily = 1, concurrent = 1, per_caller = { daily = 1, concurrent = 2 }");
  Limiter limiter(*policy);
  {
    const Admission first = limiter.take(1, 1001, kStart, kToday);
    EXPECT_EQ(first.used_up, "");
    EXPECT_EQ(limiter.take_place(1, 1001, kStart, kToday).used_up, "limit of concurrent requests");
  }
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(limiter.take_place(1, 1001, kStart, kToday).used_up, "") << "neither rate nor day";
  EXPECT_NE(limiter.take(1, 1001, kStart, kToday).used_up, "");
}

TEST(Limiter, NeverLimitsAGrantWithoutARate) {
  const auto policy = with_limits("rate = \"1/d\"");
  Limiter limiter(*policy);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(take(limiter, 0, kStart));
}

TEST(Limiter, ReadsEachUnitAndDefaultsTheBurstToTheNumber) {
  const struct {
    const char* rate;
    double per_second;
    std::uint32_t burst;
  } cases[] = {{"100/s", 100, 100}, {"30/m", 0.5, 30}, {"36/h", 0.01, 36}, {"1/d", 1.0 / 86400, 1}};
  for (const auto& c : cases) {
    const auto policy = with_limits(std::string("rate = \"") + c.rate + "\"");
    const auto& rate = policy->limits(1).all.rate;
    ASSERT_TRUE(rate);
    EXPECT_DOUBLE_EQ(rate->per_second, c.per_second);
    EXPECT_EQ(rate->burst, c.burst);
    EXPECT_FALSE(policy->limits(0).all.is_bounded());
  }
}

TEST(Limiter, WhoWaitsAsToldIsServed) {
  for (const char* rate : {"3/s", "7/m", "11/h", "13/d", "1/d"}) {
    const auto policy = with_limits(std::string("rate = \"") + rate + "\", burst = 1");
    Limiter limiter(*policy);
    SteadyTime now = kStart;
    EXPECT_FALSE(take(limiter, 1, now));
    for (int i = 0; i < 200; ++i) {
      const auto wait = take(limiter, 1, now);
      ASSERT_TRUE(wait) << rate;
      EXPECT_GE(*wait, 1s);
      now += *wait;
      ASSERT_FALSE(take(limiter, 1, now)) << rate << " after " << wait->count() << " s";
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
    given += !take(limiter, 1, now);
  }
  const double seconds = std::chrono::duration<double>(now - kStart).count();
  EXPECT_LE(given, 5 + 20 * seconds + 1);
  EXPECT_GE(given, 20 * seconds - 5);
}

TEST(Limiter, SurvivesATimeThatStandsStillOrGoesBack) {
  const auto policy = with_limits("rate = \"1/s\"");
  Limiter limiter(*policy);
  EXPECT_FALSE(take(limiter, 1, kStart));
  EXPECT_EQ(take(limiter, 1, kStart - 1h), 1s);
  EXPECT_FALSE(take(limiter, 1, kStart + 1s));
}

// One request of `account`; what it used up, or empty.
std::string ask(Limiter& limiter, std::uint64_t account, SteadyTime now = kStart,
                SystemTime today = kToday) {
  return limiter.take(1, account, now, today).used_up;
}

TEST(Limiter, CountsEachCallerForItself) {
  const auto policy = with_limits("rate = \"4/s\", per_caller = { rate = \"2/s\" }");
  Limiter limiter(*policy);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(limiter, 1), "");
  EXPECT_EQ(ask(limiter, 1), "rate of this caller");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask(limiter, 2), "");
  EXPECT_EQ(ask(limiter, 3), "rate") << "all together";
  EXPECT_EQ(ask(limiter, 1, kStart + 1s), "");
}

TEST(Limiter, WhatIsRefusedForOneLimitUsesUpNoOther) {
  const auto policy = with_limits("daily = 3, per_caller = { daily = 1 }");
  Limiter limiter(*policy);
  EXPECT_EQ(ask(limiter, 1), "");
  for (int i = 0; i < 9; ++i) EXPECT_EQ(ask(limiter, 1), "daily limit of this caller");
  EXPECT_EQ(ask(limiter, 2), "");
  EXPECT_EQ(ask(limiter, 3), "");
  EXPECT_EQ(ask(limiter, 4), "daily limit");
}

TEST(Limiter, DayEndsAtMidnightUtc) {
  const auto policy = with_limits("daily = 1");
  Limiter limiter(*policy);
  const SystemTime evening = *from_rfc3339("2026-01-05T23:59:30Z");
  EXPECT_EQ(ask(limiter, 1, kStart, evening), "");
  const Admission refused = limiter.take(1, 1, kStart, evening);
  EXPECT_EQ(refused.used_up, "daily limit");
  EXPECT_EQ(refused.wait, 30s);
  EXPECT_EQ(ask(limiter, 1, kStart, evening + refused.wait), "");
  EXPECT_EQ(ask(limiter, 1, kStart, evening + refused.wait), "daily limit");
}

TEST(Limiter, CountsRequestsUnderWay) {
  const auto policy = with_limits("concurrent = 3, per_caller = { concurrent = 2 }");
  Limiter limiter(*policy);
  std::vector<Admission> running;
  for (const std::uint64_t account : {1, 1, 2}) {
    running.push_back(limiter.take(1, account, kStart, kToday));
    EXPECT_EQ(running.back().used_up, "");
  }
  EXPECT_EQ(ask(limiter, 2), "limit of concurrent requests");
  running.pop_back();
  EXPECT_EQ(ask(limiter, 1), "limit of concurrent requests of this caller");
  EXPECT_EQ(ask(limiter, 2), "");
  running.clear();
  EXPECT_EQ(ask(limiter, 1), "") << "it ended at once";
  EXPECT_EQ(ask(limiter, 1), "");
}

TEST(Limiter, ReloadForgetsNothingOfAGrantThatStays) {
  const auto policy = with_limits("daily = 2, concurrent = 1, per_caller = { daily = 2 }");
  Limiter limiter(*policy);
  Admission running = limiter.take(1, 1, kStart, kToday);
  limiter.adopt(*with_limits("daily = 2, concurrent = 1, per_caller = { daily = 2 }"));
  EXPECT_EQ(limiter.callers(), 1u);
  EXPECT_EQ(ask(limiter, 2), "limit of concurrent requests");
  running = {};
  EXPECT_EQ(ask(limiter, 2), "");
  EXPECT_EQ(ask(limiter, 2), "daily limit");
  limiter.adopt(*with_limits("daily = 3"));
  EXPECT_EQ(limiter.callers(), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(limiter, 2), "") << "other limits start anew";
  limiter.adopt(Policy());
  EXPECT_THROW(limiter.take(1, 1, kStart, kToday), std::out_of_range);
}

TEST(Limiter, KnowsBoundedlyManyCallers) {
  const auto policy = with_limits("per_caller = { rate = \"1/s\", daily = 5, concurrent = 1 }");
  Limiter limiter(*policy);
  for (std::uint64_t account = 0; account < Limiter::kMaxCallers; ++account)
    ASSERT_EQ(ask(limiter, account), "");
  const Admission refused = limiter.take(1, 1u << 20, kStart + 2s, kToday);
  EXPECT_EQ(refused.used_up, "room for callers whose limits are counted");
  EXPECT_GE(refused.wait, 1s);
  EXPECT_EQ(ask(limiter, 7, kStart + 2s), "") << "who is known goes on";
  // The next day all but the one who is under way have used up nothing.
  const SystemTime tomorrow = kToday + 24h;
  const Admission running = limiter.take(1, 7, kStart + 4s, tomorrow);
  EXPECT_EQ(ask(limiter, 1u << 20, kStart + 2500ms, tomorrow),
            "room for callers whose limits are counted")
      << "just looked";
  EXPECT_EQ(ask(limiter, 1u << 20, kStart + 5s, tomorrow), "");
  EXPECT_EQ(limiter.callers(), 2u);
}

TEST(Limiter, FullBucketIsNoReasonToKnowACaller) {
  const auto policy = with_limits("per_caller = { rate = \"1/h\" }");
  Limiter limiter(*policy);
  for (std::uint64_t account = 0; account < Limiter::kMaxCallers; ++account)
    ASSERT_EQ(ask(limiter, account), "");
  EXPECT_EQ(ask(limiter, 1u << 20, kStart + 59min), "room for callers whose limits are counted");
  EXPECT_EQ(ask(limiter, 1u << 20, kStart + 61min), "");
  EXPECT_EQ(limiter.callers(), 1u);
}

TEST(Limiter, KnowsWhoIsUnderWay) {
  const auto policy = with_limits("per_caller = { concurrent = 1 }");
  Limiter limiter(*policy);
  const Admission running = limiter.take(1, 7, kStart, kToday);
  for (std::uint64_t account = 100; account < 99 + Limiter::kMaxCallers; ++account)
    ASSERT_EQ(ask(limiter, account), "");
  EXPECT_EQ(ask(limiter, 1), "");
  EXPECT_EQ(limiter.callers(), 2u) << "who is under way, and the new one";
  EXPECT_EQ(ask(limiter, 7), "limit of concurrent requests of this caller");
}

TEST(Limiter, ReloadComparesEachLimit) {
  const std::string first = "rate = \"5/h\", daily = 9, concurrent = 9, per_caller = { daily = 9 }";
  const auto left = [&](const std::string& second) {
    Limiter limiter(*with_limits(first));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(limiter, 1), "");
    limiter.adopt(*with_limits(second));
    return ask(limiter, 1);
  };
  EXPECT_EQ(left(first), "rate");
  for (const char* other :
       {"rate = \"5/h\", burst = 6, daily = 9, concurrent = 9, per_caller = { daily = 9 }",
        "rate = \"5/m\", daily = 9, concurrent = 9, per_caller = { daily = 9 }",
        "rate = \"5/h\", daily = 8, concurrent = 9, per_caller = { daily = 9 }",
        "rate = \"5/h\", daily = 9, concurrent = 8, per_caller = { daily = 9 }",
        "rate = \"5/h\", daily = 9, concurrent = 9, per_caller = { daily = 8 }"})
    EXPECT_EQ(left(other), "") << other;
}

}  // namespace
}  // namespace holdfast::policy
