#include "daemon/device/under_way.h"

#include <gtest/gtest.h>

#include <vector>

#include "daemon/base/error.h"

namespace holdfast::device {
namespace {

using namespace std::chrono_literals;

constexpr UnderWay::Time kStart{1h};
const Answer kMac = Secret(Bytes(32));

// An HMAC, which runs beside others for at most a second; or what has to be alone.
Pending command(std::uint64_t id, bool alone = false) {
  Kind kind = kind_of(Mac{}, {.sign = 1s});
  kind.alone = alone;
  return {id, 1, {}, kind, kStart, {}, {}};
}

DeviceDescription device(std::uint32_t in_flight, std::uint32_t parallel) {
  DeviceDescription description;
  description.commands_in_flight = in_flight;
  description.parallel = parallel;
  return description;
}

TEST(DeviceUnderWay, TakesAsManyAsTheDeviceWantsWithinTheCoresBounds) {
  for (const auto& [wanted, most] : {std::pair{0U, 1U}, {2U, 2U}, {64U, 64U}, {1000U, 64U}}) {
    UnderWay commands;
    commands.describe(device(wanted, 1), kStart);
    unsigned taken = 0;
    while (taken <= 64 && commands.takes(command(0).kind)) commands.add(command(++taken), kStart);
    EXPECT_EQ(taken, most) << wanted;
  }
}

TEST(DeviceUnderWay, TakesWhatHasToBeAloneWhereNothingElseIsAndNothingBesideIt) {
  UnderWay commands;
  commands.describe(device(4, 2), kStart);
  commands.add(command(1), kStart);
  EXPECT_TRUE(commands.takes(command(2).kind));
  EXPECT_FALSE(commands.takes(command(2, true).kind));
  commands.take(1, kMac, kStart);
  EXPECT_TRUE(commands.takes(command(2, true).kind));
  commands.add(command(2, true), kStart);
  EXPECT_FALSE(commands.takes(command(3).kind));
}

TEST(DeviceUnderWay, ADeadlineRunsFromWhenTheDeviceIsAtTheCommand) {
  UnderWay commands;
  commands.describe(device(2, 1), kStart);
  commands.add(command(1), kStart);
  commands.add(command(2), kStart);
  EXPECT_FALSE(commands.is_overdue(kStart + 1s));
  EXPECT_TRUE(commands.is_overdue(kStart + 1001ms));
  commands.take(1, kMac, kStart + 900ms);
  EXPECT_FALSE(commands.is_overdue(kStart + 1900ms));
  EXPECT_TRUE(commands.is_overdue(kStart + 1901ms));
}

TEST(DeviceUnderWay, EachOfThoseAtWorkHasADeadlineOfItsOwn) {
  UnderWay commands;
  commands.describe(device(2, 2), kStart);
  commands.add(command(1), kStart);
  commands.add(command(2), kStart + 500ms);
  commands.take(1, kMac, kStart + 900ms);
  EXPECT_FALSE(commands.is_overdue(kStart + 1500ms));
  EXPECT_TRUE(commands.is_overdue(kStart + 1501ms)) << "it began when it became the oldest";
}

TEST(DeviceUnderWay, ThoseBehindAreTheOnesThatTheDeviceIsNotAt) {
  UnderWay commands;
  commands.describe(device(4, 2), kStart);
  for (std::uint64_t id = 1; id <= 4; ++id) commands.add(command(id), kStart);
  std::vector<std::uint64_t> behind;
  commands.each_behind([&](Pending& pending) { behind.push_back(pending.id); });
  EXPECT_EQ(behind, (std::vector<std::uint64_t>{3, 4}));
  commands.take(2, kMac, kStart + 1s);  // 3 begins
  EXPECT_TRUE(commands.is_overdue(kStart + 1001ms)) << "1 is late";
  commands.take(1, kMac, kStart + 1s);
  EXPECT_FALSE(commands.is_overdue(kStart + 2s));
  EXPECT_TRUE(commands.is_overdue(kStart + 2001ms));
}

TEST(DeviceUnderWay, AnAnswerHasToBeToACommandAndOfItsKindOrAFailure) {
  UnderWay commands;
  commands.add(command(1), kStart);
  EXPECT_THROW(commands.take(2, kMac, kStart), Error);
  EXPECT_THROW(commands.take(1, Removed{}, kStart), Error);
  EXPECT_EQ(commands.take(1, Failure{ErrorKind::key_lost, 0, {}}, kStart).id, 1U);
  EXPECT_TRUE(commands.empty());
  EXPECT_THROW(commands.take(1, kMac, kStart), Error) << "it was answered before";
}

TEST(DeviceUnderWay, AllAreTakenOldestFirst) {
  UnderWay commands;
  commands.describe(device(3, 1), kStart);
  for (std::uint64_t id = 1; id <= 3; ++id) commands.add(command(id), kStart);
  std::vector<std::uint64_t> ids;
  for (const Pending& pending : commands.take_all()) ids.push_back(pending.id);
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_TRUE(commands.empty());
}

}  // namespace
}  // namespace holdfast::device
