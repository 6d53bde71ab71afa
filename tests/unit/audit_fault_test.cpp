#include <fcntl.h>
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

using testing::HasSubstr;

// Appends groups of three until the disk fails; returns how many records were acknowledged.
std::uint64_t append_until_failure(const std::string& folder, bool fsync, Files& files) {
  std::uint64_t acknowledged = 0;
  try {
    const auto log = Log::open(folder, fsync, files);
    acknowledged = log->state().size;
    while (acknowledged < 600) {
      log->append(samples(acknowledged, 3));
      acknowledged = log->state().size;
      if (acknowledged % 60 == 0) log->store_head();
    }
    log->store_head();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::audit_unavailable);
  }
  return acknowledged;
}

void expect_whole(const std::string& folder, std::uint64_t acknowledged) {
  const auto log = Log::open(folder, false);
  ASSERT_GE(log->state().size, acknowledged);
  const Verdict verdict = verify(folder);
  EXPECT_TRUE(verdict.good) << testing::PrintToString(verdict.faults);
  EXPECT_EQ(verdict.details_lost, 0U);
  EXPECT_EQ(verdict.details_checked, log->state().size);
  std::uint64_t seq = 0;
  for (const json::object& record : read(folder, -1, 100'000)) {
    ASSERT_EQ(record.at("seq").to_number<std::uint64_t>(), seq);
    ASSERT_EQ(record.at("details").at("request_id").as_string(), "request-" + std::to_string(seq));
    ++seq;
  }
  EXPECT_EQ(seq, log->state().size);
}

// Threat row 8: whichever system call fails, with whatever error, nothing acknowledged is missing.
class SigningWithoutARecord : public testing::TestWithParam<int> {};

TEST_P(SigningWithoutARecord, LosesNothingAcknowledgedWhicheverCallFails) {
  FaultyFiles counting;
  {
    const TempFolder folder;
    append_until_failure(folder.log(), true, counting);
  }
  const int calls = counting.calls;
  ASSERT_GT(calls, 800);
  for (int failing = 0; failing < calls; failing += failing < 60 ? 1 : 29) {
    const TempFolder folder;
    FaultyFiles files;
    files.before = [&](int call, std::string_view) { return call == failing ? GetParam() : 0; };
    const std::uint64_t acknowledged = append_until_failure(folder.log(), true, files);
    EXPECT_LT(acknowledged, 600U + 1);
    expect_whole(folder.log(), acknowledged);
  }
}

INSTANTIATE_TEST_SUITE_P(Errors, SigningWithoutARecord, testing::Values(EIO, ENOSPC));

TEST(SigningWithoutARecord, LosesNothingAcknowledgedWhenADiskFillsInTheMiddleOfAWrite) {
  for (const std::size_t room : {1, 100, 1000, 5000, 20'000, 70'001}) {
    const TempFolder folder;
    std::size_t left = room;
    struct FullDisk : Files {
      std::size_t& left;
      explicit FullDisk(std::size_t& l) : left(l) {}
      ssize_t write(int fd, const char* data, std::size_t size) override {
        const std::size_t part = std::min(size, left);
        left -= part;
        if (part != 0) return Files::write(fd, data, part);
        errno = ENOSPC;
        return -1;
      }
    } files(left);
    const std::uint64_t acknowledged = append_until_failure(folder.log(), false, files);
    EXPECT_LT(acknowledged, 600U);
    const std::string why = refusal_of(
        [&] { Log::open(folder.log(), false, files)->append(samples(acknowledged, 3)); });
    EXPECT_THAT(why, HasSubstr("make room"));
    left = 1 << 30;
    expect_whole(folder.log(), acknowledged);
    append_until_failure(folder.log(), false, files);
    expect_whole(folder.log(), 600);
  }
}

TEST(SigningWithoutARecord, GoesOnAfterShortWrites) {
  const TempFolder folder;
  FaultyFiles files;
  files.most = 7;
  EXPECT_EQ(append_until_failure(folder.log(), false, files), 600U);
  expect_whole(folder.log(), 600);
}

TEST(SigningWithoutARecord, AppendsNothingAfterAFailureUntilOpenedAgain) {
  const TempFolder folder;
  FaultyFiles files;
  auto log = Log::open(folder.log(), false, files);
  log->append(samples(0, 3));
  files.before = [](int, std::string_view) { return EIO; };
  EXPECT_THAT(refusal_of([&] { log->append(samples(3, 3)); }), HasSubstr("Input/output error"));
  files.before = [](int, std::string_view) { return 0; };
  const int calls = files.calls;
  EXPECT_THAT(refusal_of([&] { log->append(samples(3, 3)); }), HasSubstr("opened again"));
  EXPECT_THAT(refusal_of([&] { log->store_head(); }), HasSubstr("opened again"));
  EXPECT_EQ(files.calls, calls);
  log.reset();
  expect_whole(folder.log(), 3);
}

// Threat row 9.
TEST(FailedFsync, IsNeverTriedAgain) {
  for (int failing = 1; failing <= 2; ++failing) {  // that of the details, that of the leaves
    const TempFolder folder;
    FaultyFiles files;
    auto log = Log::open(folder.log(), true, files);
    log->append(samples(0, 3));
    const int before = files.syncs;
    files.before = [&](int, std::string_view name) {
      return name == "sync" && files.syncs == before + failing ? EIO : 0;
    };
    EXPECT_THROW(log->append(samples(3, 3)), SyncFailed);
    const int syncs = files.syncs;
    EXPECT_EQ(syncs, before + failing);
    for (int i = 0; i < 10; ++i) {
      EXPECT_THROW(log->append(samples(3, 3)), Error);
      EXPECT_THROW(log->store_head(), Error);
    }
    log.reset();
    EXPECT_EQ(files.syncs, syncs);
    expect_whole(folder.log(), 3);
  }
}

TEST(FailedFsync, OfTheHeadStopsTheLogToo) {
  const TempFolder folder;
  FaultyFiles files;
  const auto log = Log::open(folder.log(), false, files);
  log->append(samples(0, 3));
  files.before = [](int, std::string_view name) { return name == "sync" ? EIO : 0; };
  EXPECT_THROW(log->store_head(), SyncFailed);
  files.before = [](int, std::string_view) { return 0; };
  const int calls = files.calls;
  EXPECT_THROW(log->append(samples(3, 3)), Error);
  EXPECT_EQ(files.calls, calls);
  EXPECT_EQ(parse_head(contents(folder.log() + "/head"))->size, 0U);
}

// A disk that throws away what an fsync could not write, and, as Linux does, reports success for the next fsync of
// the same file.
class LosingFiles : public FaultyFiles {
 public:
  bool loses = false;
  int syncs_of_lost = 0;

  int sync(int fd) override {
    struct stat status {};
    ::fstat(fd, &status);
    if (lost_.contains(status.st_ino)) ++syncs_of_lost;
    if (!loses) {
      durable_[status.st_ino] = status.st_size;
      return FaultyFiles::sync(fd);
    }
    lost_.insert(status.st_ino);
    kept_.emplace_back(::dup(fd));  // so that no other file gets its inode's number
    if (S_ISREG(status.st_mode)) {
      const off_t from = durable_[status.st_ino];
      const std::string zeros(static_cast<std::size_t>(status.st_size - from), '\0');
      const std::string path = "/proc/self/fd/" + std::to_string(fd);
      const UniqueFd writable(::open(path.c_str(), O_WRONLY));
      EXPECT_EQ(::pwrite(writable.get(), zeros.data(), zeros.size(), from),
                static_cast<ssize_t>(zeros.size()));
    }
    errno = EIO;
    return -1;
  }

 private:
  std::map<ino_t, off_t> durable_;
  std::set<ino_t> lost_;
  std::vector<UniqueFd> kept_;
};

TEST(FailedFsync, LosesNothingBecauseTheTailIsWrittenToNewFiles) {
  for (const std::uint64_t before : {0, 3, 250}) {
    const TempFolder folder;
    LosingFiles files;
    auto log = Log::open(folder.log(), true, files);
    log->append(samples(0, before));
    files.loses = true;
    EXPECT_THROW(log->append(samples(before, 20)), SyncFailed);  // over a tile's end, too
    files.loses = false;
    Tail tail = log->tail();
    EXPECT_EQ(tail.first, before);
    EXPECT_EQ(tail.whole.size, before + 20);
    log.reset();
    // As long as the disk does not take it, nothing is lost either.
    files.loses = true;
    EXPECT_THROW(Log::open(folder.log(), true, files, &tail), SyncFailed);
    files.loses = false;
    log = Log::open(folder.log(), true, files, &tail);
    EXPECT_EQ(log->append(samples(before + 20, 5)), before + 20);
    log->store_head();
    EXPECT_EQ(files.syncs_of_lost, 0) << "a second fsync of the same pages says nothing";
    log.reset();
    expect_whole(folder.log(), before + 25);
  }
}

TEST(FailedFsync, OfATailThatIsNotWholeOnTheDiskStopsTheLog) {
  const TempFolder folder;
  make_log(folder.log(), 5);
  Tail tail;
  tail.first = 5;
  tail.whole = {6, std::string(44, 'A')};
  tail.leaves = lines_of(contents(leaves_file(folder.log()))).front() + "\n";
  EXPECT_NE(refusal_of([&] { Log::open(folder.log(), true, system_files(), &tail); }), "");
}

// The process is gone from some system call on: nothing after it happens.
TEST(CrashRecovery, FindsEveryAcknowledgedRecordAfterAKillBetweenAnyTwoCalls) {
  for (const bool fsync : {false, true}) {
    for (int last = 1; last < 400; last += last < 60 ? 1 : 17) {
      const TempFolder folder;
      FaultyFiles files;
      files.before = [&](int call, std::string_view) { return call >= last ? EIO : 0; };
      expect_whole(folder.log(), append_until_failure(folder.log(), fsync, files));
    }
  }
}

TEST(CrashRecovery, FindsEveryAcknowledgedRecordAfterAKillInsideAnyWrite) {
  const TempFolder folder;
  {
    const auto log = Log::open(folder.log(), false);
    log->append(samples(0, 254));
    log->store_head();
    log->append(samples(254, 1));
  }
  const std::string leaves = contents(leaves_file(folder.log()));
  const std::string details = contents(details_file(folder.log()));
  const std::string checkpoint = contents(folder.log() + "/head");
  Log::open(folder.log(), false)->append(samples(255, 3));  // fills a tile
  const std::string all_leaves = contents(leaves_file(folder.log()));
  const std::string all_details = contents(details_file(folder.log()));
  const auto survives = [&](std::size_t leaf_bytes, std::size_t detail_bytes,
                            const std::string& behind = {}) {
    overwrite(leaves_file(folder.log()), all_leaves.substr(0, leaf_bytes) + behind);
    overwrite(details_file(folder.log()), all_details.substr(0, detail_bytes));
    overwrite(folder.log() + "/head", checkpoint);
    std::filesystem::remove_all(folder.log() + "/tile");
    const std::uint64_t whole = static_cast<std::uint64_t>(
        std::ranges::count(std::string_view(all_leaves).substr(0, leaf_bytes), '\n'));
    const auto log = Log::open(folder.log(), false);
    ASSERT_EQ(log->state().size, whole);
    ASSERT_GE(whole, 255U);
    const std::string bytes = contents(leaves_file(folder.log()));
    ASSERT_EQ(bytes, all_leaves.substr(0, bytes.size()));
    log->append(samples(whole, 1));
    const Verdict verdict = verify(folder.log());
    ASSERT_TRUE(verdict.good) << testing::PrintToString(verdict.faults);
    ASSERT_EQ(verdict.details_checked, whole + 1);
  };
  for (std::size_t bytes = details.size(); bytes <= all_details.size(); bytes += kStride)
    survives(leaves.size(), bytes);
  for (std::size_t bytes = leaves.size(); bytes <= all_leaves.size(); bytes += kStride)
    survives(bytes, all_details.size());
  // Pages that were never written before the power went.
  for (const std::size_t zeros : {1, 4096, 1 << 20})
    survives(leaves.size() + 100, all_details.size(), std::string(zeros, '\0'));
}

TEST(CrashRecovery, SaysWhichDetailsAPowerCutTook) {
  const TempFolder folder;
  {
    const auto log = Log::open(folder.log(), false);
    log->append(samples(0, 5));
    log->store_head();
    log->append(samples(5, 3));
  }
  const std::string details = contents(details_file(folder.log()));
  const std::size_t cut = details.find("{\"seq\":6") + 20;
  overwrite(details_file(folder.log()),
            details.substr(0, cut) + std::string(details.size() - cut, '\0'));
  EXPECT_EQ(Log::open(folder.log(), false)->append(samples(8, 1)), 8U);
  const Verdict verdict = verify(folder.log());
  EXPECT_TRUE(verdict.good) << testing::PrintToString(verdict.faults);
  EXPECT_EQ(verdict.details_lost, 2U);
  EXPECT_EQ(verdict.details_checked, 7U);
  const auto records = read(folder.log(), 5, 10);
  ASSERT_EQ(records.size(), 3U);
  EXPECT_FALSE(records[0].contains("details"));
  EXPECT_TRUE(records[2].contains("details"));
}

TEST(CrashRecovery, DropsDetailsWhoseSegmentWasNeverBegun) {
  const TempFolder folder;
  make_log(folder.log(), kSegmentLeaves);
  overwrite(details_file(folder.log(), kSegmentLeaves), R"({"seq":65536,"salt":"00)");
  expect_whole(folder.log(), kSegmentLeaves);
  Log::open(folder.log(), false)->append(samples(kSegmentLeaves, 1));
  EXPECT_EQ(verify(folder.log()).details_checked, kSegmentLeaves + 1);
  // And one that was begun, but holds nothing yet.
  overwrite(leaves_file(folder.log(), kSegmentLeaves), "");
  std::filesystem::remove(folder.log() + "/head.tmp");
  EXPECT_EQ(Log::open(folder.log(), false)->state().size, kSegmentLeaves);
}

}  // namespace
}  // namespace holdfast::audit
