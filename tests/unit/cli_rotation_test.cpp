#include "sdk/cli/rotation.h"

#include <gtest/gtest.h>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

using Kind = RotationStep::Kind;
using namespace std::chrono_literals;

constexpr RotationTimes kTimes{600s, 3600s};

SystemTime at(const std::string& clock) {
  return *from_rfc3339("2026-01-01T" + clock + "Z");
}

const SystemTime kNow = at("12:00:00");

struct Has {
  int version;
  const char* state;
  const char* created = "10:00:00";
  const char* since = nullptr;
  const char* flag = nullptr;
};

RotationStep next(std::initializer_list<Has> versions, bool begin = true) {
  json::array list;
  for (const Has& has : versions) {
    json::object version{{"version", has.version},
                         {"kid", "kid" + std::to_string(has.version)},
                         {"state", has.state},
                         {"created", "2026-01-01T" + std::string(has.created) + "Z"}};
    if (has.since) version["since"] = "2026-01-01T" + std::string(has.since) + "Z";
    if (has.flag) version[has.flag] = true;
    list.push_back(version);
  }
  return next_step(json::object{{"name", "k"}, {"versions", list}}, kTimes, begin, kNow);
}

TEST(Rotation, BeginsWithANewVersionAndOnlyOnce) {
  EXPECT_EQ(next({{1, "active"}}).kind, Kind::add);
  EXPECT_EQ(next({{1, "active"}}).due, kNow);
  EXPECT_EQ(next({{1, "active"}}, false).kind, Kind::none);
  EXPECT_EQ(next({{1, "retired"}, {2, "active"}}, false).kind, Kind::none);
  EXPECT_EQ(next({{1, "retired"}, {2, "active"}}).kind, Kind::add);
}

TEST(Rotation, ActivatesAPendingVersionOnceItWasPublishedLongEnough) {
  for (const bool begin : {true, false}) {
    const RotationStep step = next({{1, "active"}, {2, "pending", "11:55:00"}}, begin);
    EXPECT_EQ(step.kind, Kind::activate);
    EXPECT_EQ(step.version, "2");
    EXPECT_EQ(step.kid, "kid2");
    EXPECT_EQ(step.due, at("12:05:00"));
  }
}

TEST(Rotation, RetiresTheFormerOnceNoTokenOfItLives) {
  const RotationStep known = next({{1, "verifying", "10:00:00", "11:30:00"}, {2, "active"}});
  EXPECT_EQ(known.kind, Kind::retire);
  EXPECT_EQ(known.version, "1");
  EXPECT_EQ(known.due, at("12:30:00"));
  // Its creation says nothing about when it stopped signing.
  EXPECT_EQ(next({{1, "verifying"}, {2, "active"}}).due, at("13:00:00"));
}

TEST(Rotation, TakesWhatIsDueFirst) {
  const Has former{1, "verifying", "10:00:00", "11:30:00"};
  EXPECT_EQ(next({former, {2, "active"}, {3, "pending", "11:55:00"}}).kind, Kind::activate);
  EXPECT_EQ(next({former, {2, "active"}, {3, "pending", "12:25:00"}}).kind, Kind::retire);
  const RotationStep step = next({{1, "verifying", "10:00:00", "11:30:00"},
                                  {2, "verifying", "10:00:00", "11:20:00"},
                                  {3, "active"}});
  EXPECT_EQ(step.version, "2");
}

TEST(Rotation, ActivatesTheNewestAndNeverGoesBack) {
  EXPECT_EQ(next({{1, "active"}, {2, "pending"}, {3, "pending"}}).version, "3");
  EXPECT_EQ(next({{1, "retired"}, {2, "pending"}, {3, "active"}}).kind, Kind::add);
  EXPECT_EQ(next({{1, "retired"}, {2, "pending"}, {3, "active"}}, false).kind, Kind::none);
}

TEST(Rotation, StopsAtAVersionThatCantSign) {
  for (const char* flag : {"disabled", "lost"}) {
    try {
      next({{1, "active"}, {2, "pending", "10:00:00", nullptr, flag}});
      ADD_FAILURE() << flag;
    } catch (const Failure& failure) {
      EXPECT_NE(failure.message().find(flag), std::string::npos);
      EXPECT_NE(failure.advice().find("holdfast key retire k 2"), std::string::npos);
    }
  }
}

TEST(Rotation, OfADamagedKeyAddsNothingByItself) {
  EXPECT_EQ(next_step(json::object{{"name", "k"}, {"damage", "x"}}, kTimes, false, kNow).kind,
            Kind::none);
}

}  // namespace
}  // namespace holdfast::cli
