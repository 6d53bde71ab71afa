// Finding who made a signature, pruning old details, and copies for other logs.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/audit/mirror.h"
#include "daemon/audit/prune.h"
#include "daemon/audit/who.h"
#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::uint64_t> found(const std::string& folder, std::string_view text) {
  std::vector<std::uint64_t> sequences;
  find_records(folder, read_sought(text), [&](const json::object& record) {
    sequences.push_back(record.at("seq").to_number<std::uint64_t>());
    EXPECT_TRUE(record.contains("details"));
  });
  return sequences;
}

TEST(Who, IsNobodysAnswerWhereThereIsNoLog) {
  const TempFolder folder;
  try {
    found(folder.log(), std::string(64, 'a'));
    FAIL() << "it looked like nobody";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::audit_unavailable);
    EXPECT_THAT(error.detail(), HasSubstr("there is no audit log in"));
  }
}

TEST(Who, IsFoundByASignatureInEachForm) {
  const TempFolder folder;
  const Bytes raw(64, 0x5a), mac(32, 0x3c);
  const Bytes digest(32, 0x77);
  {
    const auto log = Log::open(folder.log(), false);
    log->append(samples(0, 10));
    Record ecdsa = sample(10);
    ecdsa.signature_digest = to_hex(sha256(raw));
    ecdsa.signed_digest = to_hex(sha256(digest));
    ecdsa.details.jti = "abc-_\"\\";
    log->append({&ecdsa, 1});
    Record sigv4 = sample(11);
    sigv4.signature_digest = to_hex(sha256(mac));
    log->append({&sigv4, 1});
    log->store_head();
  }
  for (const std::string& text :
       {to_hex(raw), to_base64(raw), to_base64url(raw), to_base64(ecdsa_raw_to_der(raw)),
        to_hex(ecdsa_raw_to_der(raw)), "eyJhbGciOiJFUzI1NiJ9.e30." + to_base64url(raw),
        "Bearer eyJhbGciOiJFUzI1NiJ9.e30." + to_base64url(raw) + "\n", to_hex(sha256(raw)),
        to_base64(sha256(raw)), to_hex(digest), to_base64(digest), std::string("abc-_\"\\")})
    EXPECT_THAT(found(folder.log(), text), ElementsAre(10)) << text;
  for (const std::string& text :
       {to_hex(mac),
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=" +
            to_hex(mac),
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=" + to_hex(mac) + "&x-id=GetObject"})
    EXPECT_THAT(found(folder.log(), text), ElementsAre(11)) << text;
  EXPECT_THAT(found(folder.log(), to_hex(sha256("nothing"))), IsEmpty());
  // The policy's digest is in each record, and no answer to the question.
  EXPECT_THAT(found(folder.log(), std::string(64, 'a')), IsEmpty());
  EXPECT_THAT(found(folder.log(), "orders-aws"), IsEmpty());
}

class Pruning : public testing::Test {
 protected:
  // The record number n was made n microseconds after the first.
  Pruning() { make_log(folder_.log(), 2 * kSegmentLeaves + 10); }
  std::vector<std::uint64_t> older_than(std::optional<std::uint64_t> seq,
                                        std::optional<SystemTime> time = {}) {
    return prunable(folder_.log(), {seq, time});
  }
  TempFolder folder_;
};

TEST_F(Pruning, TakesWholeSegmentsAndNeverTheOpenOne) {
  EXPECT_THAT(older_than(kSegmentLeaves - 1), IsEmpty());
  EXPECT_THAT(older_than(kSegmentLeaves), ElementsAre(0));
  EXPECT_THAT(older_than(UINT64_MAX), ElementsAre(0, kSegmentLeaves));
  const SystemTime begin = sample(0).time;
  EXPECT_THAT(older_than({}, begin), IsEmpty());
  EXPECT_THAT(older_than({}, begin + std::chrono::seconds(1)), ElementsAre(0, kSegmentLeaves));
  EXPECT_THAT(older_than(kSegmentLeaves, begin + std::chrono::seconds(1)), ElementsAre(0));
  EXPECT_EQ(describe(older_than(UINT64_MAX)), "details of the records 0 to 131071");
}

TEST_F(Pruning, KeepsEveryProof) {
  const Verdict before = verify(folder_.log());
  prune(folder_.log(), older_than(UINT64_MAX));
  EXPECT_THAT(older_than(UINT64_MAX), IsEmpty());
  const Verdict after = verify(folder_.log());
  EXPECT_TRUE(after.good) << testing::PrintToString(after.faults);
  EXPECT_EQ(after.state.root, before.state.root);
  EXPECT_EQ(after.details_pruned, 2 * kSegmentLeaves);
  EXPECT_EQ(after.details_checked, 10U);
  EXPECT_EQ(Log::open(folder_.log(), false)->append(samples(0, 1)), 2 * kSegmentLeaves + 10);
}

// A socket as journald's or syslog's.
class Listener {
 public:
  explicit Listener(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  std::string receive() {
    char text[8192];
    const ssize_t n = ::recv(fd_.get(), text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? "" : std::string(text, static_cast<std::size_t>(n));
  }

 private:
  UniqueFd fd_;
};

TEST(Mirror, HandsEachRecordOverInTheFormOfItsTaker) {
  const TempFolder folder;
  Listener journal(folder.other("journal")), syslog(folder.other("log"));
  Mirror mirror({{Sink::journald, folder.other("journal")}, {Sink::syslog, folder.other("log")}});
  const auto log = Log::open(folder.log(), false, system_files(), nullptr, &mirror);
  Record record = sample(1);
  record.key = "evil\nPRIORITY=0\x1b[2J";
  log->append({&record, 1});
  const std::string leaf = lines_of(contents(leaves_file(folder.log())))[0];
  const std::string entry = journal.receive();
  EXPECT_THAT(entry, testing::StartsWith("MESSAGE=" + leaf +
                                         "\nPRIORITY=6\nSYSLOG_IDENTIFIER=holdfast-audit\n"));
  EXPECT_THAT(entry, HasSubstr("\nHOLDFAST_SEQ=0\nHOLDFAST_DECISION=allowed\n"));
  EXPECT_EQ(std::ranges::count(entry, '\n'), 9);
  const std::string line = syslog.receive();
  EXPECT_THAT(line, testing::MatchesRegex(
                        "<86>[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]+ holdfast-audit\\[[0-9]+\\]: .*"));
  EXPECT_THAT(line, testing::EndsWith(": " + leaf));
  EXPECT_EQ(mirror.dropped(), 0U);
}

TEST(Mirror, DropsAndCountsWhatNobodyTakes) {
  const TempFolder folder;
  Mirror mirror({{Sink::journald, folder.other("journal")}});
  const auto log = Log::open(folder.log(), false, system_files(), nullptr, &mirror);
  log->append(samples(0, 3));
  EXPECT_EQ(mirror.dropped(), 3U);
  EXPECT_EQ(log->size(), 3U);
}

TEST(Mirror, DoesNotWaitForATakerThatDoesNotRead) {
  const TempFolder folder;
  Listener journal(folder.other("journal"));
  Mirror mirror({{Sink::journald, folder.other("journal")}});
  const auto log = Log::open(folder.log(), false, system_files(), nullptr, &mirror);
  log->append(samples(0, 5000));
  EXPECT_EQ(log->size(), 5000U);
  EXPECT_GT(mirror.dropped(), 0U);
  std::uint64_t taken = 0;
  while (!journal.receive().empty()) ++taken;
  EXPECT_EQ(taken + mirror.dropped(), 5000U);
}

}  // namespace
}  // namespace holdfast::audit
