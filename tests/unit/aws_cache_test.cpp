#include "sdk/aws/cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>

#include "sdk/cli/failure.h"
#include "tests/support/folder.h"

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SetClock final : public Clock {
 public:
  SystemTime now() const override { return wall; }
  SteadyTime steady() const override { return Clock::steady() + passed; }
  SystemTime wall = *from_rfc3339("2026-01-01T00:00:00Z");
  std::chrono::seconds passed{0};
};

// Counts, and numbers what it gives; fails where it is told to.
class Numbered final : public Source {
 public:
  Numbered(int& count, const bool& fails, SteadyTime::duration& patience, const Clock& clock)
      : count_(count), fails_(fails), patience_(patience), clock_(clock) {}
  Credentials fetch(SteadyTime deadline) override {
    ++count_;
    patience_ = deadline - clock_.steady();
    if (fails_) throw cli::Failure(cli::Exit::later, "down");
    return {std::to_string(count_), Secret(as_bytes("s")), Secret(as_bytes("t")), clock_.now() + 1h,
            clock_.now()};
  }

 private:
  int& count_;
  const bool& fails_;
  SteadyTime::duration& patience_;
  const Clock& clock_;
};

class AwsCache : public testing::Test {
 protected:
  AwsCache() { ::setenv("XDG_CACHE_HOME", folder_.path().c_str(), 1); }
  ~AwsCache() override { ::unsetenv("XDG_CACHE_HOME"); }

  std::string fetch(std::chrono::milliseconds patience = 1min) {
    return source_->fetch(clock_.steady() + patience).access_key_id;
  }
  Cache cache() {
    return Cache(fingerprint(request_),
                 [this](const std::string& line) { warnings_.push_back(line); });
  }
  std::string file() const { return folder_ / ("holdfast/aws/" + fingerprint(request_) + ".json"); }

  test::Folder folder_;
  Request request_;
  SetClock clock_;
  int count_ = 0;
  bool fails_ = false;
  SteadyTime::duration patience_{};
  std::vector<std::string> warnings_;
  std::unique_ptr<Source> source_ = make_cached(
      request_, std::make_unique<Numbered>(count_, fails_, patience_, clock_),
      [this](const std::string& line) { warnings_.push_back(line); }, clock_);
};

TEST_F(AwsCache, ServesUntilTenMinutesBeforeTheEnd) {
  EXPECT_EQ(fetch(), "1");
  clock_.wall += 50min - 1s;
  EXPECT_EQ(fetch(), "1");
  clock_.wall += 1s;
  EXPECT_EQ(fetch(), "2");
  EXPECT_THAT(warnings_, IsEmpty());
  struct stat info {};
  ASSERT_EQ(::stat(file().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(AwsCache, ServesWhatIsGoodForAMinuteWhereItCanNotBeRenewed) {
  fetch();
  fails_ = true;
  clock_.wall += 59min - 1s;
  EXPECT_EQ(fetch(), "1");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("could not be renewed")));
  clock_.wall += 1s;
  EXPECT_THROW(fetch(), cli::Failure);
  clock_.wall += 1h;
  EXPECT_THROW(fetch(), cli::Failure);
}

TEST_F(AwsCache, DoesNotWaitForAnotherProcessWhileThereIsSomethingToServe) {
  fetch();
  clock_.wall += 55min;
  Cache other = cache();
  ASSERT_EQ(other.try_lock(), Cache::Lock::taken);
  EXPECT_EQ(fetch(24h), "1");
  EXPECT_EQ(count_, 1);
}

// It may have been stopped, and would then keep all others from it for good.
TEST_F(AwsCache, WaitsForAnotherProcessHalfTheTimeAndThenAsksForItself) {
  Cache other = cache();
  ASSERT_EQ(other.try_lock(), Cache::Lock::taken);
  const SteadyTime deadline = clock_.steady() + 2s;
  EXPECT_EQ(source_->fetch(deadline).access_key_id, "1");
  EXPECT_GE(clock_.steady(), deadline - 1100ms);
  EXPECT_FALSE(other.read().has_value()) << "written without the lock";
}

TEST_F(AwsCache, DoesNotTakeCredentialsOfATimeThatIsYetToCome) {
  fetch();
  clock_.wall -= 1h;
  EXPECT_EQ(fetch(), "2");
}

// Programs that ask an endpoint wait for a second or two.
TEST_F(AwsCache, RenewsInAShortTimeAndNotAtOnceAgainWhereThereIsSomethingToServe) {
  fetch();
  EXPECT_GT(patience_, 50s);
  fails_ = true;
  clock_.wall += 55min;
  EXPECT_EQ(fetch(), "1");
  EXPECT_LE(patience_, 5s);
  EXPECT_EQ(count_, 2);
  EXPECT_EQ(fetch(), "1");
  EXPECT_EQ(count_, 2);
  clock_.passed += 31s;
  EXPECT_EQ(fetch(), "1");
  EXPECT_EQ(count_, 3);
}

TEST_F(AwsCache, TakesNoFileThatIsNotWhole) {
  fetch();
  const std::string whole = read_file(file(), 4096);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    replace_file(file(), whole.substr(0, size), 0600);
    EXPECT_FALSE(cache().read().has_value()) << size;
  }
  replace_file(file(), whole, 0600);
  EXPECT_TRUE(cache().read().has_value());
}

TEST_F(AwsCache, TakesNoCredentialsThatEndedBeforeTheyBegan) {
  fetch();
  std::string text = read_file(file(), 4096);
  text.replace(text.find("2026-01-01T01"), 13, "2025-01-01T01");
  replace_file(file(), text, 0600);
  EXPECT_EQ(fetch(), "2");
}

}  // namespace
}  // namespace holdfast::aws
