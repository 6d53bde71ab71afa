#include "daemon/service/chunk_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const SteadyTime kStart{1000s};

// The `opening`-th, which has a byte to send.
ChunkSession session(std::uint64_t account, std::uint64_t opening, SteadyTime begun = kStart) {
  Facts facts;
  facts.add("service", "s3");
  return {account,
          "aws",
          {},
          "20260101/eu-west-1/s3/aws4_request",
          {},
          facts,
          0s,
          opening,
          format::ChunkChain({1, false, {}}, "20260101T000000Z", "scope", "seed"),
          begun};
}

Chunk chunk(const std::string& name) {
  format::ChunkRequest request;
  request.session = name;
  request.payload_hash = std::string(64, 'a');
  request.length = 1;
  return Chunk(request);
}

TEST(ChunkSessions, AreOfTheirAccountAlone) {
  ChunkSessions sessions;
  const std::string name = sessions.open(session(1, 7));
  EXPECT_EQ(name.size(), 22U);
  EXPECT_EQ(sessions.find(name, 1, kStart)->opening, 7U);
  EXPECT_EQ(sessions.find(name, 2, kStart), nullptr);
  EXPECT_EQ(sessions.find("", 1, kStart), nullptr);
  sessions.close(name);
  EXPECT_EQ(sessions.find(name, 1, kStart), nullptr);
}

TEST(ChunkSessions, EndAfterAnHour) {
  ChunkSessions sessions;
  const std::string name = sessions.open(session(1, 1));
  EXPECT_NE(sessions.find(name, 1, kStart + 1h - 1s), nullptr);
  EXPECT_EQ(sessions.find(name, 1, kStart + 1h), nullptr);
  sessions.open(session(1, 2));
  sessions.open(session(2, 3, kStart + 1h));
  EXPECT_EQ(sessions.size(), 1U) << "nobody asks for the one that ended";
}

TEST(ChunkSessions, OfOneAccountAreSixteen) {
  ChunkSessions sessions;
  const std::string other = sessions.open(session(2, 0));
  std::vector<std::string> names;
  for (std::uint64_t i = 1; i <= 18; ++i) names.push_back(sessions.open(session(1, i)));
  EXPECT_NE(sessions.find(other, 2, kStart), nullptr);
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(sessions.find(names[i], 1, kStart) != nullptr, i >= 2) << i;
}

TEST(ChunkSessions, OfAllTheOneWithMostLosesItsOldest) {
  ChunkSessions sessions;
  std::uint64_t opening = 0;
  const std::string oldest = sessions.open(session(5000, ++opening));
  std::vector<std::string> of_one;
  for (int i = 0; i < 3; ++i) of_one.push_back(sessions.open(session(1, ++opening)));
  while (sessions.size() < ChunkSessions::kLimit) {
    ++opening;
    sessions.open(session(100 + opening / 2, opening));
  }
  sessions.open(session(2, ++opening));
  EXPECT_EQ(sessions.size(), ChunkSessions::kLimit);
  EXPECT_EQ(sessions.find(of_one[0], 1, kStart), nullptr);
  EXPECT_NE(sessions.find(of_one[1], 1, kStart), nullptr);
  EXPECT_NE(sessions.find(oldest, 5000, kStart), nullptr);
}

// Facts of so many bytes: what the opening request said is kept.
ChunkSession long_session(std::uint64_t account, std::uint64_t opening, std::size_t bytes) {
  ChunkSession made = session(account, opening);
  made.facts.add("header.x-amz-meta-note", std::string(bytes, 'x'));
  return made;
}

TEST(ChunkSessions, OfAllBytesTheAccountWithMostLosesItsOldest) {
  ChunkSessions sessions;
  const std::string small = sessions.open(session(1, 1));
  const std::size_t bytes = ChunkSessions::kBytes / 8;
  std::vector<std::string> large;
  for (std::uint64_t i = 2; i < 12; ++i) {
    large.push_back(sessions.open(long_session(2, i, bytes)));
    EXPECT_LE(sessions.bytes(), ChunkSessions::kBytes);
  }
  EXPECT_NE(sessions.find(small, 1, kStart), nullptr);
  EXPECT_EQ(sessions.find(large[2], 2, kStart), nullptr);
  EXPECT_NE(sessions.find(large[3], 2, kStart), nullptr);
  const std::size_t kept = sessions.bytes();
  sessions.close(large.back());
  EXPECT_LE(sessions.bytes() + bytes, kept);
}

TEST(Chunk, HasItsSessionToItselfWhileItLives) {
  ChunkSessions sessions;
  const std::string name = sessions.open(session(1, 7));
  {
    Chunk first = chunk(name), second = chunk(name);
    first.resume(sessions.find(name, 1, kStart));
    second.resume(sessions.find(name, 1, kStart));
    EXPECT_EQ(first.own().opening, 7U);
    try {
      second.own();
      FAIL() << "two chunks at once";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::conflict);
    }
  }
  Chunk third = chunk(name);
  third.resume(sessions.find(name, 1, kStart));
  EXPECT_EQ(third.own().opening, 7U) << "the refused one has not taken it along";
}

TEST(Chunk, ShowsPolicyTheOpeningRequest) {
  ChunkSessions sessions;
  const std::string name = sessions.open(session(1, 7));
  Chunk asked = chunk(name);
  EXPECT_TRUE(asked.key().empty());
  asked.resume(sessions.find(name, 1, kStart));
  EXPECT_EQ(asked.key(), "aws");
  std::vector<std::string> facts;
  const Facts all = asked.take_facts();
  for (const Fact& fact : all.all()) facts.push_back(fact.name + "=" + fact.value);
  EXPECT_THAT(facts, ElementsAre("session=7", "chunk=1", "length=1", "service=s3"));
}

}  // namespace
}  // namespace holdfast
