#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "daemon/base/error.h"
#include "daemon/service/device_record.h"
#include "daemon/service/query.h"
#include "daemon/service/recent.h"
#include "daemon/service/router.h"
#include "daemon/service/signing_keys.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

Secret secret_of(std::string_view text) {
  return Secret(as_bytes(text));
}

TEST(SigningKeys, AreForOneKeyVersionAndScope) {
  SigningKeys keys;
  const SteadyTime now{};
  keys.put(1, "a", 1, "20260101/eu/s3/aws4_request", secret_of("one"), now);
  ASSERT_NE(keys.find("a", 1, "20260101/eu/s3/aws4_request", now), nullptr);
  EXPECT_EQ(as_text(keys.find("a", 1, "20260101/eu/s3/aws4_request", now)->view()), "one");
  EXPECT_EQ(keys.find("b", 1, "20260101/eu/s3/aws4_request", now), nullptr);
  EXPECT_EQ(keys.find("a", 2, "20260101/eu/s3/aws4_request", now), nullptr);
  EXPECT_EQ(keys.find("a", 1, "20260102/eu/s3/aws4_request", now), nullptr);
}

TEST(SigningKeys, EndWithTheirDay) {
  SigningKeys keys;
  const SteadyTime now{};
  keys.put(1, "a", 1, "scope", secret_of("one"), now);
  EXPECT_NE(keys.find("a", 1, "scope", now + 24h - 1s), nullptr);
  EXPECT_EQ(keys.find("a", 1, "scope", now + 24h), nullptr);
  EXPECT_EQ(keys.find("a", 1, "scope", now), nullptr) << "it was dropped, not hidden";
}

TEST(SigningKeys, OfADayThatEndedDoNotStayUnasked) {
  SigningKeys keys;
  const SteadyTime now{};
  keys.put(1, "a", 1, "yesterday", secret_of("one"), now);
  keys.put(1, "a", 1, "today", secret_of("two"), now + 24h);
  EXPECT_EQ(keys.find("a", 1, "yesterday", now), nullptr);
  EXPECT_NE(keys.find("a", 1, "today", now + 24h), nullptr);
}

TEST(SigningKeys, OfAChangedKeyAreForgottenAndNoOther) {
  SigningKeys keys;
  const SteadyTime now{};
  keys.put(1, "a", 1, "s1", secret_of("one"), now);
  keys.put(1, "a", 2, "s2", secret_of("two"), now);
  keys.put(1, "ab", 1, "s1", secret_of("three"), now);
  keys.forget("a");
  EXPECT_EQ(keys.find("a", 1, "s1", now), nullptr);
  EXPECT_EQ(keys.find("a", 2, "s2", now), nullptr);
  EXPECT_NE(keys.find("ab", 1, "s1", now), nullptr);
}

TEST(SigningKeys, AreBoundedAndTheLeastUsedGoes) {
  SigningKeys keys;
  const SteadyTime now{};
  for (std::size_t i = 0; i < SigningKeys::kLimit; ++i)
    keys.put(1, "a", 1, std::to_string(i), secret_of("x"), now);
  ASSERT_NE(keys.find("a", 1, "0", now), nullptr);
  keys.put(1, "a", 1, "one more", secret_of("x"), now);
  EXPECT_NE(keys.find("a", 1, "0", now), nullptr) << "it was used last";
  EXPECT_EQ(keys.find("a", 1, "1", now), nullptr);
}

// Threat row 30.
TEST(SigningKeys, OfAFloodersChoosingEvictItsOwnAlone) {
  constexpr std::uint32_t flooder = 666;
  SigningKeys keys;
  const SteadyTime now{};
  for (std::uint32_t victim = 0; victim < 20; ++victim)
    keys.put(victim, "a", 1, "of victim " + std::to_string(victim), secret_of("x"), now);
  for (std::size_t i = 0; i < 3 * SigningKeys::kLimit; ++i)
    keys.put(flooder, "a", 1, "region " + std::to_string(i), secret_of("x"), now);
  for (std::uint32_t victim = 0; victim < 20; ++victim)
    EXPECT_NE(keys.find("a", 1, "of victim " + std::to_string(victim), now), nullptr) << victim;
  EXPECT_EQ(keys.find("a", 1, "region 0", now), nullptr);
  keys.put(5, "a", 1, "a newcomer's", secret_of("x"), now);
  EXPECT_NE(keys.find("a", 1, "a newcomer's", now), nullptr);
}

TEST(RecentRequests, KeepTheLastTenThousand) {
  RecentRequests recent;
  for (std::uint64_t i = 0; i <= RecentRequests::kLimit; ++i) recent.add(std::to_string(i), i);
  EXPECT_EQ(recent.find("0"), std::nullopt);
  EXPECT_EQ(recent.find("1"), 1u);
  EXPECT_EQ(recent.find(std::to_string(RecentRequests::kLimit)), RecentRequests::kLimit);
}

TEST(Query, RefusesUnknownRepeatedAndUnboundedValues) {
  const Query query("limit=5&after=k", {"limit", "after"});
  EXPECT_EQ(query.number("limit", 1, 10, 7), 5);
  EXPECT_EQ(query.text("after"), "k");
  EXPECT_EQ(Query("", {"limit"}).number("limit", 1, 10, 7), 7);
  for (const char* text : {"other=1", "limit=1&limit=2", "limit=1&", "&", "Limit=1"})
    EXPECT_THROW(Query(text, {"limit"}), Error) << text;
  for (const char* text :
       {"limit=0", "limit=11", "limit=", "limit=+5", "limit=5x", "limit", "limit=%35"})
    EXPECT_THROW(Query(text, {"limit"}).number("limit", 1, 10, 7), Error) << text;
}

TEST(Path, MatchesSegmentBySegment) {
  std::vector<std::string> parameters;
  EXPECT_TRUE(match_path("/v1/keys/{}/versions/{}", "/v1/keys/a/versions/2", parameters));
  EXPECT_EQ(parameters, (std::vector<std::string>{"a", "2"}));
  for (const char* path :
       {"/v1/keys", "/v1/keys/a", "/v1/keys/a/versions", "/v1/keys/a/versions/2/x",
        "/v1/keys//versions/2", "/v1/keys/a/versions/", "v1/keys/a/versions/2", "", "/"})
    EXPECT_FALSE(match_path("/v1/keys/{}/versions/{}", path, parameters)) << path;
}

TEST(Path, KnownWithAnotherMethodSaysWhich) {
  const Route<int> routes[] = {{"GET", "/a", 1}, {"POST", "/a", 2}, {"GET", "/b", 3}};
  std::vector<std::string> parameters;
  EXPECT_EQ(find_route<int>(routes, "POST", "/a", parameters).handler, 2);
  try {
    find_route<int>(routes, "PUT", "/a", parameters);
    FAIL();
  } catch (const MethodNotAllowed& error) {
    EXPECT_EQ(error.allow(), "GET, POST");
  }
  EXPECT_THROW(find_route<int>(routes, "GET", "/c", parameters), Error);
}

TEST(DeviceRecord, KnowsAnotherStorageRootAfterARestart) {
  char folder[] = "/tmp/holdfast-device-XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const std::string path = std::string(folder) + "/devices.json";
  DeviceRecord record(path);
  EXPECT_FALSE(record.knows("tpm"));
  EXPECT_TRUE(record.matches("tpm", "00aa"));
  record.set("tpm", "00aa");
  record.save();
  const DeviceRecord again(path);
  EXPECT_TRUE(again.knows("tpm"));
  EXPECT_TRUE(again.matches("tpm", "00aa"));
  EXPECT_FALSE(again.matches("tpm", "00bb"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace holdfast
