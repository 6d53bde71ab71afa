// The user database where it is slow, broken or large.
#include "daemon/policy/accounts.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <numeric>

#include "daemon/base/error.h"

namespace {

// What getpwnam_r(3) gives for a buffer of this size; without it the system's database is asked.
std::function<int(std::size_t)> database;
std::vector<gid_t> memberships;

struct StandIn {
  explicit StandIn(std::function<int(std::size_t)> answers) { database = std::move(answers); }
  explicit StandIn(std::vector<gid_t> groups) { memberships = std::move(groups); }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  ~StandIn() {
    database = nullptr;
    memberships.clear();
  }
};

}  // namespace

// The linker puts these in the place of the C library's (ld(1), --wrap).
extern "C" {
int real_getpwnam_r(const char*, passwd*, char*, std::size_t, passwd**) asm("__real_getpwnam_r");
int real_getgrouplist(const char*, gid_t, gid_t*, int*) asm("__real_getgrouplist");

int wrap_getpwnam_r(const char* name, passwd* entry, char* data, std::size_t size,
                    passwd** found) asm("__wrap_getpwnam_r");
int wrap_getpwnam_r(const char* name, passwd* entry, char* data, std::size_t size, passwd** found) {
  if (!database) return real_getpwnam_r(name, entry, data, size, found);
  *found = nullptr;
  const int code = database(size);
  if (code != 0) return code;
  entry->pw_name = data;
  *std::copy_n(name, std::char_traits<char>::length(name), data) = '\0';
  entry->pw_uid = entry->pw_gid = 1001;
  *found = entry;
  return 0;
}

int wrap_getgrouplist(const char* user, gid_t gid, gid_t* groups,
                      int* count) asm("__wrap_getgrouplist");
int wrap_getgrouplist(const char* user, gid_t gid, gid_t* groups, int* count) {
  if (memberships.empty()) return real_getgrouplist(user, gid, groups, count);
  const int room = *count;
  *count = static_cast<int>(memberships.size());
  std::copy_n(memberships.begin(), std::min(room, *count), groups);
  return *count > room ? -1 : *count;
}
}

namespace holdfast::policy {
namespace {

using ::testing::HasSubstr;

std::string complaint() {
  try {
    account_of("orders");
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::internal);
    return error.what();
  }
}

TEST(UserDatabase, EntryMayBeLarge) {
  const StandIn large([](std::size_t size) { return size < 100'000 ? ERANGE : 0; });
  const auto account = account_of("orders");
  ASSERT_TRUE(account);
  EXPECT_EQ(account->user, "orders");
  EXPECT_EQ(account->uid, 1001u);
}

TEST(UserDatabase, EntryIsNoLargerThanAMebibyte) {
  std::size_t most = 0;
  const StandIn endless([&](std::size_t size) {
    most = std::max(most, size);
    return ERANGE;
  });
  EXPECT_THAT(complaint(), HasSubstr("larger than 1 MiB"));
  EXPECT_EQ(most, std::size_t{1} << 20);
}

TEST(UserDatabase, IsAskedAgainWhereASignalCame) {
  int times = 0;
  const StandIn interrupted([&](std::size_t) { return ++times == 1 ? EINTR : 0; });
  EXPECT_TRUE(account_of("orders"));
}

// getpwnam_r(3), ERRORS: what is said of a name that is not there differs between databases.
TEST(UserDatabase, HasNoneByEachCodeThatSaysSo) {
  for (const int code : {ENOENT, ESRCH, EBADF, EPERM}) {
    const StandIn without([&](std::size_t) { return code; });
    EXPECT_FALSE(account_of("orders")) << code;
  }
}

TEST(UserDatabase, WhereItCanNotBeReadNobodyIsTakenForUnknown) {
  for (const int code : {EIO, EMFILE}) {
    const StandIn broken([&](std::size_t) { return code; });
    EXPECT_THAT(complaint(), HasSubstr("user database")) << code;
  }
}

TEST(UserDatabase, GivesAllGroupsOfWhoIsInMany) {
  std::vector<gid_t> all(200);
  std::iota(all.begin(), all.end(), 1001);
  const StandIn many(all);
  all.erase(all.begin());  // its own
  EXPECT_EQ(groups_of({"orders", 1001, 1001}), all);
}

}  // namespace
}  // namespace holdfast::policy
