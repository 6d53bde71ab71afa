#include "sdk/aws/exchange.h"

#include <gmock/gmock.h>

#include "sdk/aws/reply.h"
#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;
using cli::Exit;
using cli::Failure;
using testing::HasSubstr;

class SetClock final : public Clock {
 public:
  SystemTime now() const override { return *from_rfc3339("2026-01-01T00:00:00Z"); }
};

HttpReply answer(long status, std::string_view code, std::chrono::seconds ahead = 0s) {
  HttpReply out;
  out.status = status;
  out.error_type = code;
  out.date = SetClock().now() + ahead;
  return out;
}

// A service that gives these answers in turn; the times that were signed with are kept.
struct Service {
  std::vector<HttpReply> answers;
  std::vector<std::optional<SystemTime>> times = {};
  Exchange exchange{
      [this](std::optional<SystemTime> time) {
        times.push_back(time);
        if (time && refuses_time) throw Failure(Exit::refused, "not_permitted: skew");
        return HttpRequest{};
      },
      [this](SecretText&, SystemTime now) {
        parsed = now;
        return Credentials{"ASIAX", Secret(as_bytes("s")), Secret(as_bytes("t")), now + 1h, now};
      },
      "STS", "advice"};
  bool refuses_time = false;
  SystemTime parsed{};

  Credentials run() {
    const SetClock clock;
    const Send send = [this](const HttpRequest&, std::chrono::milliseconds patience) {
      EXPECT_GT(patience.count(), 0);
      return answers.at(times.size() - 1);
    };
    return aws::run(exchange, send, clock.steady() + 60s, clock);
  }
  Failure failure() {
    try {
      run();
    } catch (const Failure& failure) {
      return failure;
    }
    ADD_FAILURE() << "taken";
    return Failure(Exit::done, "");
  }
};

TEST(AwsExchange, TriesAgainWhatPassesThreeTimesInAll) {
  Service passing{{answer(503, ""), answer(400, "Throttling"), answer(201, "")}};
  EXPECT_EQ(passing.run().access_key_id, "ASIAX");
  Service staying{{answer(500, ""), answer(500, ""), answer(500, "")}};
  EXPECT_EQ(staying.failure().exit(), Exit::later);
  EXPECT_EQ(staying.times.size(), 3u);
}

TEST(AwsExchange, DoesNotTryAgainWhatIsRefused) {
  Service refusing{{answer(403, "AccessDenied")}};
  const Failure failure = refusing.failure();
  EXPECT_EQ(failure.exit(), Exit::refused);
  EXPECT_EQ(failure.advice(), "advice");
  Service wrong{{answer(400, "ValidationError")}};
  EXPECT_EQ(wrong.failure().exit(), Exit::failed);
}

TEST(AwsExchange, TakesTheServicesClockOnceWhereTimesDifferByMoreThanFourMinutes) {
  Service skewed{{answer(403, "RequestTimeTooSkewed", 20min), answer(200, "")}};
  skewed.run();
  EXPECT_EQ(skewed.times[1], SetClock().now() + 20min);

  Service still{{answer(403, "RequestExpired", -20min), answer(403, "RequestExpired", -20min)}};
  EXPECT_THAT(still.failure().advice(), HasSubstr("20 minutes ahead of"));
  EXPECT_EQ(still.times.size(), 2u);

  Service near{{answer(403, "RequestTimeTooSkewed", 4min)}};
  EXPECT_EQ(near.failure().exit(), Exit::refused);
  EXPECT_EQ(near.times.size(), 1u);

  Service other{{answer(403, "AccessDenied", 20min)}};
  EXPECT_EQ(other.failure().exit(), Exit::refused);
  EXPECT_EQ(other.times.size(), 1u);
}

// What AWS's time is compared with, by us and by SDKs, is the clock of this machine.
TEST(AwsExchange, TellsTheEndByTheClockOfThisMachineWhereItIsFarOff) {
  for (const auto ahead : {20min, -20min}) {
    Service skewed{{answer(403, "RequestExpired", ahead), answer(200, "", ahead)}};
    const Credentials got = skewed.run();
    EXPECT_EQ(skewed.parsed, SetClock().now() + ahead);
    EXPECT_EQ(got.obtained, SetClock().now());
    EXPECT_EQ(got.expiration, SetClock().now() + 1h);
  }
  Service near{{answer(200, "", 4min)}};
  near.run();
  EXPECT_EQ(near.parsed, SetClock().now());
}

TEST(AwsExchange, SaysHowFarTheClockIsOffWhereNoGrantMakesUpForIt) {
  Service strict{{answer(403, "RequestTimeTooSkewed", 20min)}};
  strict.refuses_time = true;
  const Failure failure = strict.failure();
  EXPECT_EQ(failure.exit(), Exit::refused);
  EXPECT_THAT(failure.message(), HasSubstr("20 minutes behind"));
  EXPECT_THAT(failure.advice(), HasSubstr("max_skew"));
}

}  // namespace
}  // namespace holdfast::aws
