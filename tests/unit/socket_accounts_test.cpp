// Who is counted with whom (threat row 19).
#include "daemon/socket/accounts.h"

#include <gtest/gtest.h>

#include <list>

#include "daemon/socket/http.h"

namespace holdfast::socket {
namespace {

constexpr std::size_t kLeast = kMaxHeader + kMaxBody;

Limits limits() {
  Limits limits;
  limits.connections = 40;
  limits.connections_per_user = 10;
  limits.connections_without_grant = 4;
  limits.buffered_bytes = 16 * kLeast;
  return limits;
}

// Connects as many as may, of one uid each or all of one; how many are in.
std::size_t flood(Accounts& accounts, std::list<Place>& places, const Standing& standing,
                  bool of_many_uids) {
  std::size_t in = 0;
  for (uid_t i = 0; i < 100; ++i) {
    const uid_t uid = of_many_uids ? 100'000 + i : 1000;
    if (!accounts.admits(uid)) break;
    places.emplace_back(accounts, uid);
    if (places.back().join(standing))
      ++in;
    else
      places.pop_back();
  }
  return in;
}

TEST(Accounts, AUidHasItsPart) {
  Accounts accounts(limits());
  std::list<Place> places;
  EXPECT_EQ(flood(accounts, places, {}, false), 10u);
  EXPECT_TRUE(accounts.admits(1001));
  places.clear();
  EXPECT_EQ(accounts.connections(), 0u);
  EXPECT_TRUE(accounts.admits(1000));
}

TEST(Accounts, ManyUidsOfOneSliceAreOneCaller) {
  Accounts accounts(limits());
  std::list<Place> places;
  EXPECT_EQ(flood(accounts, places, {true, "user-1000.slice"}, true), 10u);
  EXPECT_EQ(accounts.connections(), 10u);
  EXPECT_EQ(flood(accounts, places, {true, "user-1001.slice"}, true), 10u);
}

TEST(Accounts, AllWhomNoGrantNamesShareAPool) {
  Accounts accounts(limits());
  std::list<Place> places;
  EXPECT_EQ(flood(accounts, places, {false, ""}, true), 4u);
  EXPECT_EQ(flood(accounts, places, {false, "other.scope"}, true), 0u);
  EXPECT_EQ(accounts.connections(), 4u);
  EXPECT_EQ(flood(accounts, places, {true, ""}, false), 10u) << "those whom one names are served";
}

TEST(Accounts, OfTheBufferEachHasAsMuchAsOfTheConnections) {
  Accounts accounts(limits());
  Place one(accounts, 1);
  Place same(accounts, 1);
  Place other(accounts, 2);
  ASSERT_TRUE(one.join({}) && same.join({}) && other.join({}));
  EXPECT_TRUE(one.hold(4 * kLeast));
  EXPECT_FALSE(one.hold(4 * kLeast + 1));
  EXPECT_FALSE(same.hold(1)) << "a quarter for one uid";
  EXPECT_TRUE(other.hold(4 * kLeast));
  EXPECT_TRUE(one.hold(kLeast)) << "less is always possible";
  EXPECT_TRUE(same.hold(3 * kLeast));
}

TEST(Accounts, OfTheBufferASliceHasAUsersPartAndStrangersTheirs) {
  Accounts accounts(limits());
  Place one(accounts, 1);
  Place two(accounts, 2);
  Place stranger(accounts, 3);
  Place another(accounts, 4);
  ASSERT_TRUE(one.join({true, "s"}) && two.join({true, "s"}));
  ASSERT_TRUE(stranger.join({false, ""}) && another.join({false, ""}));
  EXPECT_TRUE(one.hold(3 * kLeast));
  EXPECT_FALSE(two.hold(kLeast + 1));
  EXPECT_TRUE(two.hold(kLeast));
  // A tenth would be more, but one whole request always fits.
  EXPECT_TRUE(stranger.hold(kLeast));
  EXPECT_FALSE(another.hold(kLeast));
}

TEST(Accounts, NobodyPassesTheWholeBudget) {
  Accounts accounts(limits());
  std::list<Place> places;
  for (uid_t uid = 0; uid < 4; ++uid) {
    places.emplace_back(accounts, uid);
    ASSERT_TRUE(places.back().join({}));
    EXPECT_TRUE(places.back().hold(4 * kLeast));
  }
  Place late(accounts, 9);
  ASSERT_TRUE(late.join({}));
  EXPECT_FALSE(late.hold(1));
  places.pop_front();
  EXPECT_TRUE(late.hold(4 * kLeast));
}

}  // namespace
}  // namespace holdfast::socket
