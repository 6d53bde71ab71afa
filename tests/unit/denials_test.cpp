#include "daemon/service/denials.h"

#include <gmock/gmock.h>

#include <map>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

audit::Record refusal(std::uint32_t uid, const std::string& key,
                      const std::string& code = "not_permitted") {
  audit::Record record;
  record.uid = uid;
  record.operation = "sign.digest";
  record.key = key;
  record.code = code;
  record.details.reason = "no grant fits";
  return record;
}

const SteadyTime kStart{1000s};

TEST(Denials, AreCountedExactlyByCallerKeyAndCode) {
  Denials denials;
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> full, counted;
  SteadyTime now = kStart;
  const auto take = [&](const std::vector<Denials::Count>& counts) {
    for (const auto& [record, last, since] : counts)
      counted[{record.uid, record.key + record.code}] += record.count;
  };
  for (int i = 0; i < 100'000; ++i) {
    const audit::Record record = refusal(i % 3 == 0 ? 7 : 8, i % 5 == 0 ? "a" : "",
                                         i % 7 == 0 ? "overloaded" : "not_permitted");
    if (denials.in_full(record, record.uid, false, now))
      ++full[{record.uid, record.key + record.code}];
    now += 1ms;
    if (i % 1000 == 0) take(denials.due(now));
  }
  take(denials.all());
  std::uint64_t together = 0, written = 0;
  for (const auto& [what, count] : counted) {
    together += count;
    EXPECT_GT(count, 0U) << what.second;
  }
  for (const auto& [what, count] : full) written += count;
  EXPECT_EQ(together + written, 100'000U);
  EXPECT_EQ(denials.counted(), together);
  EXPECT_EQ(counted.size(), 8U);
  EXPECT_LE(written, 2 * (256 + 100)) << "of two callers, in a hundred seconds";
}

// A record says under which policy it was decided, and a count is one.
TEST(Denials, OfTwoPoliciesAreTwoCounts) {
  Denials denials;
  for (const std::string digest : {"before", "after", "after"}) {
    audit::Record record = refusal(1, "k");
    record.policy_digest = digest;
    EXPECT_FALSE(denials.in_full(record, 1, true, kStart));
  }
  std::map<std::string, std::uint64_t> counted;
  for (const Denials::Count& count : denials.due(kStart + 10s)) {
    const audit::Record record = Denials::to_record(count);
    counted[record.policy_digest] += record.count;
  }
  EXPECT_EQ(counted, (std::map<std::string, std::uint64_t>{{"before", 1}, {"after", 2}}));
}

TEST(Denials, OfOneCallerTakeNoRoomFromAnothers) {
  Denials denials;
  for (int i = 0; i < 256; ++i) EXPECT_TRUE(denials.in_full(refusal(1, "k"), 1, false, kStart));
  EXPECT_FALSE(denials.in_full(refusal(1, "k"), 1, false, kStart));
  EXPECT_TRUE(denials.in_full(refusal(2, "k"), 2, false, kStart));
  EXPECT_FALSE(denials.in_full(refusal(3, "k"), 3, true, kStart)) << "room is scarce";
  EXPECT_TRUE(denials.in_full(refusal(1, "k"), 1, false, kStart + 1s));
  EXPECT_FALSE(denials.in_full(refusal(1, "k"), 1, false, kStart + 1s));
}

TEST(Denials, OfAllCallersTogetherAreInFullOnlySoOften) {
  Denials denials;
  int written = 0;
  for (std::uint32_t uid = 0; uid < 10'000; ++uid)
    written += denials.in_full(refusal(uid, "k"), uid, false, kStart) ? 1 : 0;
  EXPECT_EQ(written, 4096);
}

TEST(Denials, AreDueWhenTheirIntervalHasEnded) {
  Denials denials;
  EXPECT_FALSE(denials.in_full(refusal(1, "k"), 1, true, kStart));
  EXPECT_FALSE(denials.in_full(refusal(1, "k"), 1, true, kStart + 1s));
  EXPECT_THAT(denials.due(kStart + 9s), testing::IsEmpty());
  auto due = denials.due(kStart + 10s);
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].first.count, 2U);
  const std::string reason = Denials::to_record(due[0]).details.reason;
  EXPECT_THAT(reason, testing::HasSubstr("no grant fits"));
  EXPECT_THAT(denials.all(), testing::IsEmpty());
  // What the log did not take is counted on.
  denials.put_back(due[0], kStart + 11s);
  EXPECT_FALSE(denials.in_full(refusal(1, "k"), 1, true, kStart + 12s));
  ASSERT_EQ((due = denials.all()).size(), 1U);
  EXPECT_EQ(due[0].first.count, 3U);
  EXPECT_EQ(Denials::to_record(due[0]).details.reason.size(), reason.size()) << "said once";
}

TEST(Denials, OfEverOtherCallersStayBounded) {
  Denials denials;
  std::size_t written = 0;
  for (std::uint32_t uid = 0; uid < Denials::kMostCounts + 5; ++uid)
    written += denials.in_full(refusal(uid, "k"), uid, true, kStart) ? 1 : 0;
  EXPECT_EQ(written, 5U);
  EXPECT_FALSE(denials.in_full(refusal(0, "k"), 0, true, kStart)) << "that one is there already";
  EXPECT_EQ(denials.all().size(), Denials::kMostCounts);
}

}  // namespace
}  // namespace holdfast
