#include "daemon/service/log_anchor.h"

#include "tests/unit/service_support.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class LogAnchorTest : public ServiceTest {
 protected:
  LogAnchorTest() { create("ready"); }  // the device has described itself

  std::optional<std::uint64_t> next(std::uint64_t records, SystemTime::duration later) {
    auto outcome = await(anchor_.next(*client_, records, start_ + later));
    EXPECT_FALSE(outcome.error);
    return outcome.value.value_or(std::nullopt);
  }
  std::uint64_t on_device() {
    return dynamic_cast<Anchor&>(*device_->open()).read().value.value_or(0);
  }

  LogAnchor anchor_;
  const SystemTime start_ = SystemTime(std::chrono::hours(500'000));
};

TEST_F(LogAnchorTest, CountsAtFirstThenAtMostOnceAnHour) {
  EXPECT_EQ(next(10, 0s), 1U);
  EXPECT_EQ(next(20, 1min), 1U);
  EXPECT_EQ(next(30, 59min + 59s), 1U);
  EXPECT_EQ(next(40, 1h), 2U);
  EXPECT_EQ(next(50, 1h + 1min), 2U);
  EXPECT_EQ(next(60, 2h), 3U);
  EXPECT_EQ(on_device(), 3U);
}

TEST_F(LogAnchorTest, DoesNotCountForALogThatHasNotGrown) {
  EXPECT_EQ(next(10, 0s), 1U);
  EXPECT_EQ(next(10, 48h), 1U);
  EXPECT_EQ(next(11, 48h), 2U);
}

TEST_F(LogAnchorTest, ARestartIsNoReasonToCount) {
  EXPECT_EQ(next(10, 0s), 1U);
  anchor_ = {};
  anchor_.resume(10, start_, 1);
  EXPECT_EQ(next(11, 59min), 1U);
  EXPECT_EQ(next(12, 1h), 2U);
  EXPECT_EQ(anchor_.surprise(), "");
}

TEST_F(LogAnchorTest, SaysOnceThatTheCounterIsNotWhereTheLogLeftIt) {
  EXPECT_EQ(next(10, 0s), 1U);
  EXPECT_EQ(next(20, 1h), 2U);
  anchor_ = {};
  anchor_.resume(10, start_, 1);  // an older copy of the log
  EXPECT_EQ(next(11, 2h), 3U);
  const std::string surprise = anchor_.surprise();
  EXPECT_NE(surprise.find("anchor 1, and the device's counter is at 2"), std::string::npos)
      << surprise;
  EXPECT_EQ(next(12, 2h), 3U);
  EXPECT_EQ(anchor_.surprise(), surprise) << "until it is on the log";
  anchor_.surprise_is_recorded();
  EXPECT_EQ(next(13, 2h), 3U);
  EXPECT_EQ(anchor_.surprise(), "");
}

TEST_F(LogAnchorTest, ALogThatKnowsNothingOfTheCounterIsASurprise) {
  EXPECT_EQ(next(10, 0s), 1U);
  EXPECT_EQ(anchor_.surprise(), "") << "both are new";
  anchor_ = {};
  EXPECT_EQ(next(1, 1min), 2U);
  EXPECT_NE(anchor_.surprise().find("anchor none, and the device's counter is at 1"),
            std::string::npos);
}

TEST_F(LogAnchorTest, AClockThatWentBackDoesNotPutItOff) {
  anchor_.resume(10, start_, 1);
  EXPECT_EQ(next(11, -48h), 1U);
  EXPECT_EQ(next(12, -48h + 1min), 1U);
}

TEST_F(LogAnchorTest, GivesTheValueThatTheDeviceHasNow) {
  EXPECT_EQ(next(10, 0s), 1U);
  dynamic_cast<Anchor&>(*device_->open()).increment();
  EXPECT_EQ(next(20, 1min), 2U);
}

TEST_F(LogAnchorTest, ADeviceThatRefusesLeavesAGapAndIsAskedAgain) {
  device_->fail_next(1, ErrorKind::unsupported);
  EXPECT_EQ(next(10, 0s), std::nullopt);
  EXPECT_NE(anchor_.gap(), "");
  EXPECT_EQ(next(10, 1s), 1U);
  EXPECT_EQ(anchor_.gap(), "");
}

}  // namespace
}  // namespace holdfast
