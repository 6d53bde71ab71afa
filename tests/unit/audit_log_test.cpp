#include <gmock/gmock.h>

#include <thread>

#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

using testing::HasSubstr;

TEST(AuditLog, WritesTheLeafInItsFinalForm) {
  const TempFolder folder;
  const auto log = Log::open(folder.log(), false);
  EXPECT_EQ(log->append(samples(0, 1)), 0U);
  EXPECT_EQ(log->append(samples(1, 2)), 1U);
  const auto leaves = lines_of(contents(leaves_file(folder.log())));
  const auto details = lines_of(contents(details_file(folder.log())));
  ASSERT_EQ(leaves.size(), 3U);
  ASSERT_EQ(details.size(), 3U);
  EXPECT_EQ(
      leaves[1].substr(0, leaves[1].size() - 66),
      R"({"seq":1,"time":"2026-01-01T00:00:00.000001Z","decision":"allowed","code":"ok",)"
      R"("operation":"sign.sigv4","key":"orders-aws","version":1,"uid":1001,"policy_digest":")" +
          std::string(64, 'a') + R"(","signed_sha256":")" + sha256_hex("1") +
          R"(","signature_sha256":")" + sha256_hex("signature 1") + R"(","details_sha256":")");
  const std::string& line = details[1];
  const std::size_t text = line.find(R"({"request_id")");
  EXPECT_EQ(
      line.substr(text),
      R"({"request_id":"request-1","grant":"orders-s3","reason":"","caller":{"pid":4711,"uid":1001,"gid":0,)"
      R"("user":"","unit":"orders.service","user_unit":"","exe":"","exe_sha256":"","label":"",)"
      R"("container":"","pod":"","security_label":"","nested":false},)"
      R"("facts":[["service","s3"],["path","/invoices/1"]]}})");
  EXPECT_EQ(line.substr(0, 17), R"({"seq":1,"salt":")");
  const auto salt = from_hex(line.substr(17, 32));
  ASSERT_TRUE(salt);
  const std::string hashed =
      std::string(as_text(*salt)) + line.substr(text, line.size() - text - 1);
  EXPECT_EQ(details_digest(leaves[1]), sha256_hex(hashed));
  EXPECT_NE(details[0].substr(17, 32), details[2].substr(17, 32));
}

TEST(AuditLog, HasTheRootOfItsLines) {
  const TempFolder folder;
  make_log(folder.log(), 777);
  const auto leaves = lines_of(contents(leaves_file(folder.log())));
  ASSERT_EQ(leaves.size(), 777U);
  const std::string root = to_base64(as_bytes(merkle_tree_hash(leaves)));
  EXPECT_EQ(contents(folder.log() + "/head"), "holdfast/audit\n777\n" + root + "\n");
  const auto log = Log::open(folder.log(), false);
  EXPECT_EQ(log->state().size, 777U);
  EXPECT_EQ(log->state().root, root);
  EXPECT_EQ(contents(folder.log() + "/tile/0/002").size(), kTileBytes);
  EXPECT_FALSE(std::filesystem::exists(folder.log() + "/tile/0/003"));
}

TEST(AuditLog, IsReadableByItsOwnerOnly) {
  const TempFolder folder;
  make_log(folder.log(), 300);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.log())) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, entry.is_directory() ? 0700U : 0600U) << entry.path();
  }
  ::chmod(folder.log().c_str(), 0770);
  EXPECT_THAT(refusal_of([&] { Log::open(folder.log(), false); }), HasSubstr("chmod 0700"));
}

TEST(AuditLog, IsOpenInOneProcessAtATime) {
  const TempFolder folder;
  auto first = Log::open(folder.log(), false);
  EXPECT_THAT(refusal_of([&] { Log::open(folder.log(), false); }),
              HasSubstr("open in another process"));
  first->append(samples(0, 5));
  std::unique_ptr<Log> second;
  std::thread successor([&] { second = Log::open(folder.log(), false); });
  first.reset();  // the predecessor ends while its successor waits
  successor.join();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->state().size, 5U);
}

TEST(AuditLog, GoesOnOverSegmentsAndAcrossRestarts) {
  const TempFolder folder;
  const std::uint64_t before = 2 * kSegmentLeaves - 50;
  make_log(folder.log(), before);
  {
    const auto log = Log::open(folder.log(), true);
    EXPECT_EQ(log->append(samples(before, 100)), before);  // one group over the boundary
    log->store_head();
  }
  const auto log = Log::open(folder.log(), false);
  EXPECT_EQ(log->state().size, before + 100);
  EXPECT_EQ(log->append(samples(before + 100, 1)), before + 100);
  EXPECT_EQ(count(folder.log()), before + 101);
  const Verdict verdict = verify(folder.log());
  EXPECT_TRUE(verdict.good) << testing::PrintToString(verdict.faults);
  EXPECT_EQ(verdict.state.root, log->state().root);
  EXPECT_EQ(verdict.details_checked, before + 101);
  EXPECT_THAT(verdict.horizon, HasSubstr("The first 131122 records"));

  const auto records = read(folder.log(), static_cast<std::int64_t>(2 * kSegmentLeaves) - 3, 4);
  ASSERT_EQ(records.size(), 4U);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::uint64_t seq = 2 * kSegmentLeaves - 2 + i;
    EXPECT_EQ(records[i].at("seq").to_number<std::uint64_t>(), seq);
    EXPECT_EQ(records[i].at("details").at("request_id").as_string(),
              "request-" + std::to_string(seq));
  }
}

TEST(AuditLog, PrunesDetailsWithoutBreakingAProof) {
  const TempFolder folder;
  make_log(folder.log(), kSegmentLeaves + 10);
  std::filesystem::remove(details_file(folder.log()));
  const Verdict verdict = verify(folder.log());
  EXPECT_TRUE(verdict.good);
  EXPECT_EQ(verdict.details_pruned, kSegmentLeaves);
  EXPECT_EQ(verdict.details_checked, 10U);
  EXPECT_EQ(Log::open(folder.log(), false)->state().size, kSegmentLeaves + 10);
  EXPECT_FALSE(std::filesystem::exists(details_file(folder.log())));
  const auto records = read(folder.log(), -1, 1);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_FALSE(records[0].contains("details"));
}

// What the clock is held against at the start must not depend on what a crash left at the log's end.
TEST(AuditReader, GivesTheLastRecordsTimeBeforeWhatACrashTore) {
  const TempFolder folder;
  make_log(folder.log(), 5);
  const auto time = last_time(folder.log());
  ASSERT_TRUE(time);
  const std::string whole = contents(leaves_file(folder.log()));
  for (const std::string& tail : {std::string("{\"seq\":5,"), std::string(300, '\0'),
                                  std::string(300, '\0') + "\n", std::string("garbage\n")}) {
    std::ofstream(leaves_file(folder.log()), std::ios::binary) << whole << tail;
    EXPECT_EQ(last_time(folder.log()), time);
  }
}

TEST(AuditReader, GivesWhatComesAfterASequenceNumber) {
  const TempFolder folder;
  make_log(folder.log(), 20);
  EXPECT_EQ(read(folder.log(), -1, 100).size(), 20U);
  EXPECT_EQ(read(folder.log(), 17, 100).size(), 2U);
  EXPECT_EQ(read(folder.log(), 17, 1).size(), 1U);
  EXPECT_TRUE(read(folder.log(), 19, 100).empty());
  EXPECT_TRUE(read(folder.log(), 1'000'000, 100).empty());
  EXPECT_EQ(read(folder.log(), 4, 1)[0].at("key").as_string(), "orders-aws");
  EXPECT_THAT(refusal_of([&] { count(folder.other("nothing")); }),
              HasSubstr("there is no audit log"));
}

// Threat row 12.
TEST(LogInjection, StaysOneRecordALineWhateverTheCallerSends) {
  const std::string hostile[] = {"a\nb",
                                 "a\r\n{\"seq\":9}",
                                 "\x1b[2J\x1b]0;title\x07",
                                 "\xff\xfe\xc0\xaf",
                                 "\xed\xa0\x80",
                                 "\xe2\x80\xa8 \xe2\x80\xae",
                                 "\xc2\x85\xc2\x9b",
                                 std::string("\0nul", 4),
                                 "\x7f",
                                 "\",\"decision\":\"allowed\"}",
                                 "\\\"",
                                 "\xf0\x9f\x98\x80",
                                 "\xf4\x90\x80\x80",
                                 "<script>&amp;",
                                 "\xe2\x82"};
  const TempFolder folder;
  {
    const auto log = Log::open(folder.log(), false);
    for (const std::string& text : hostile) {
      Record record = sample(0);
      record.code = record.operation = record.key = record.policy_digest = record.signed_digest =
          text;
      Details& details = record.details;
      details.request_id = details.grant = details.reason = text;
      Caller& caller = details.caller;
      caller.user = caller.unit = caller.user_unit = caller.exe = caller.label = caller.container =
          caller.pod = caller.security_label = caller.exe_sha256 = text;
      details.facts.add(text, text);
      log->append({&record, 1});
    }
    log->store_head();
  }
  for (const std::string& path : {leaves_file(folder.log()), details_file(folder.log())}) {
    const std::string text = contents(path);
    EXPECT_EQ(std::ranges::count(text, '\n'), static_cast<long>(std::size(hostile)));
    for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << int{c};
  }
  EXPECT_TRUE(verify(folder.log()).good);
  const auto records = read(folder.log(), -1, 100);
  ASSERT_EQ(records.size(), std::size(hostile));
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].at("seq").to_number<std::uint64_t>(), i);
    EXPECT_EQ(records[i].at("decision").as_string(), "denied");
    EXPECT_EQ(records[i].at("details").at("facts").as_array().size(), 3U);
    if (is_utf8(hostile[i])) {
      EXPECT_EQ(records[i].at("key").as_string(), hostile[i]);
      EXPECT_EQ(records[i].at("details").at("caller").at("exe").as_string(), hostile[i]);
    }
  }
  EXPECT_EQ(records[3].at("key").as_string(), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(LogInjection, CanNotMakeALineLongerThanItsBound) {
  const TempFolder folder;
  {
    const auto log = Log::open(folder.log(), false);
    Record record = sample(0);
    const std::string huge(1 << 16, '\x01');
    record.key = record.operation = record.code = huge;
    record.details.reason = record.details.caller.exe = huge;
    for (int i = 0; i < 100; ++i) record.details.facts.add(huge, huge);
    log->append({&record, 1});
    log->store_head();
  }
  EXPECT_LT(contents(details_file(folder.log())).size(), kMaxLineBytes);
  EXPECT_TRUE(verify(folder.log()).good);
  const auto records = read(folder.log(), -1, 1);
  ASSERT_EQ(records.size(), 1U);
  EXPECT_GT(records[0].at("details").at("facts_cut").as_int64(), 80);
}

}  // namespace
}  // namespace holdfast::audit
