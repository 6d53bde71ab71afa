#include <gmock/gmock.h>

#include "tests/unit/audit_support.h"

// Threat row 10, as far as it goes without signed checkpoints.
namespace holdfast::audit {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TamperedLog : public testing::Test {
 protected:
  void expect_found(const std::string& what) {
    const Verdict verdict = verify(folder_.log());
    EXPECT_FALSE(verdict.good) << what;
    EXPECT_THAT(verdict.faults, Not(IsEmpty())) << what;
    EXPECT_THAT(verdict.horizon, HasSubstr("not signed"));
  }
  void expect_refused(const std::string& what) {
    EXPECT_THAT(refusal_of([&] { Log::open(folder_.log(), false); }), HasSubstr("damaged")) << what;
  }
  // Changes each byte of the file in turn, by one bit that goes round.
  void flip_each_byte(const std::string& name, std::size_t step, bool is_refused) {
    const std::string path = folder_.log() + "/" + name;
    const std::string good = contents(path);
    for (std::size_t at = 0; at < good.size(); at += step) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
      overwrite(path, bad);
      expect_found(name + " byte " + std::to_string(at));
      if (is_refused) expect_refused(name + " byte " + std::to_string(at));
      ASSERT_EQ(contents(path), bad) << "examining changed the evidence";
    }
    overwrite(path, good);
    EXPECT_TRUE(verify(folder_.log()).good);
  }
  void expect_found_in_leaves(const std::vector<std::string>& lines, const std::string& what) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    overwrite(leaves_file(folder_.log()), text);
    expect_found(what);
    expect_refused(what);
  }

  TempFolder folder_;
};

TEST_F(TamperedLog, IsFoundForEveryByteOfASmallOne) {
  make_log(folder_.log(), 4);
  flip_each_byte("leaves/000000000000.jsonl", kStride, true);
  flip_each_byte("details/000000000000.jsonl", kStride, false);
  flip_each_byte("head", 1, true);
}

TEST_F(TamperedLog, IsFoundForEveryByteOfATile) {
  make_log(folder_.log(), 257);
  flip_each_byte("tile/0/000", kStride * 3, false);
  overwrite(folder_.log() + "/tile/0/000", std::string(kTileBytes, 'x'));
  expect_refused("tile");
  EXPECT_THAT(verify(folder_.log()).faults[0],
              HasSubstr("tile/0/000: does not fit the records from 0 on"));
}

TEST_F(TamperedLog, IsFoundForLinesDroppedDoubledAndSwapped) {
  make_log(folder_.log(), 30);
  const auto good = lines_of(contents(leaves_file(folder_.log())));
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto lines = good;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
    expect_found_in_leaves(lines, "dropped " + std::to_string(at));
    lines = good;
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), good[at]);
    if (at + 1 < good.size()) expect_found_in_leaves(lines, "doubled " + std::to_string(at));
    lines = good;
    std::swap(lines[at], lines[(at + 1) % lines.size()]);
    expect_found_in_leaves(lines, "swapped " + std::to_string(at));
  }
}

TEST_F(TamperedLog, IsFoundForDetailsDroppedOrExchanged) {
  make_log(folder_.log(), 10);
  const auto good = lines_of(contents(details_file(folder_.log())));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string text;
    for (std::size_t i = 0; i < good.size(); ++i)
      if (i != at) text += good[i] + "\n";
    overwrite(details_file(folder_.log()), text);
    expect_found("details dropped " + std::to_string(at));
  }
  std::string text;
  for (const std::string& line : good) text += line + "\n";
  const std::size_t unit = text.find("orders.service");
  text.replace(unit, 6, "person");
  overwrite(details_file(folder_.log()), text);
  EXPECT_THAT(verify(folder_.log()).faults,
              testing::ElementsAre(HasSubstr("line 1: does not have the hash")));
}

TEST_F(TamperedLog, IsFoundForATruncationAtEveryLine) {
  make_log(folder_.log(), 60);
  const std::string good = contents(leaves_file(folder_.log()));
  for (std::size_t end = good.rfind('\n', good.size() - 2); end != std::string::npos && end > 0;
       end = good.rfind('\n', end - 1)) {
    overwrite(leaves_file(folder_.log()), good.substr(0, end + 1));
    expect_found("cut");
    expect_refused("cut");
  }
  overwrite(leaves_file(folder_.log()), good.substr(0, good.size() - 1));
  expect_found("cut by one byte");
  expect_refused("cut by one byte");
  overwrite(leaves_file(folder_.log()), "");
  expect_found("emptied");
  expect_refused("emptied");
}

TEST_F(TamperedLog, IsFoundForAnOlderCopyOfTheRecords) {
  make_log(folder_.log(), 300);
  const std::string older = folder_.other("older");
  std::filesystem::copy(folder_.log(), older, std::filesystem::copy_options::recursive);
  {
    const auto log = Log::open(folder_.log(), false);
    log->append(samples(300, 300));
    log->store_head();
  }
  const auto put_back = [&](const std::string& name) {
    std::filesystem::copy(older + "/" + name, folder_.log() + "/" + name,
                          std::filesystem::copy_options::overwrite_existing);
  };
  put_back("leaves/000000000000.jsonl");
  expect_found("older leaves");
  expect_refused("older leaves");
  put_back("details/000000000000.jsonl");
  expect_found("older leaves and details");
  expect_refused("older leaves and details");
  // The limit that only a signature and a counter outside the disk will move; it is said.
  put_back("head");
  const Verdict verdict = verify(folder_.log());
  EXPECT_TRUE(verdict.good);
  EXPECT_EQ(verdict.state.size, 300U);
  EXPECT_THAT(verdict.horizon, HasSubstr("an older copy of both"));
}

TEST_F(TamperedLog, IsFoundForMissingFiles) {
  make_log(folder_.log(), 2 * kSegmentLeaves + 300);
  for (const std::string name : {"head", "leaves/000000000000.jsonl", "leaves/000000065536.jsonl",
                                 "leaves/000000131072.jsonl", "tile/0/512", "tile/1/000"}) {
    const std::string path = folder_.log() + "/" + name;
    std::filesystem::rename(path, path + ".away");
    expect_found(name);
    EXPECT_NE(refusal_of([&] { Log::open(folder_.log(), false); }), "") << name;
    std::filesystem::rename(path + ".away", path);
  }
  EXPECT_EQ(refusal_of([&] { Log::open(folder_.log(), false); }), "");
}

TEST_F(TamperedLog, IsFoundInASegmentThatIsNoLongerWritten) {
  make_log(folder_.log(), kSegmentLeaves + 5);
  const std::string path = leaves_file(folder_.log());
  std::string text = contents(path);
  const std::size_t at = text.find("{\"seq\":40000,") + 80;
  text[at] = static_cast<char>(text[at] ^ 1);
  overwrite(path, text);
  const Verdict verdict = verify(folder_.log());
  EXPECT_THAT(verdict.faults,
              testing::Contains(HasSubstr("tile/0/156: does not fit the records from 40000 on")));
  std::string tile = contents(folder_.log() + "/tile/1/000");
  tile[5] = static_cast<char>(tile[5] ^ 1);
  overwrite(folder_.log() + "/tile/1/000", tile);
  expect_refused("tile that stands for a segment");
}

TEST_F(TamperedLog, SaysWhatIsBehindTheHorizon) {
  {
    const auto log = Log::open(folder_.log(), false);
    log->append(samples(0, 10));
    log->store_head();
    log->append(samples(10, 5));
  }
  const Verdict verdict = verify(folder_.log());
  EXPECT_TRUE(verdict.good);
  EXPECT_EQ(verdict.state.size, 15U);
  EXPECT_THAT(verdict.horizon, HasSubstr("The first 10 records are those of the log's head"));
  EXPECT_THAT(verdict.horizon, HasSubstr("Those from 10 to 14 came after it"));
  // Garbage there is found all the same.
  overwrite(leaves_file(folder_.log()), contents(leaves_file(folder_.log())) + "{\"seq\":99}\n");
  expect_found("foreign line");
  expect_refused("foreign line");
}

TEST_F(TamperedLog, ReportsProgress) {
  make_log(folder_.log(), 10'000);
  std::vector<std::uint64_t> seen;
  EXPECT_TRUE(verify(folder_.log(), {}, [&](std::uint64_t done, std::uint64_t expected) {
                EXPECT_EQ(expected, 10'000U);
                seen.push_back(done);
              }).good);
  EXPECT_THAT(seen, testing::ElementsAre(4096, 8192));
}

}  // namespace
}  // namespace holdfast::audit
