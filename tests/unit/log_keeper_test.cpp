#include "daemon/service/log_keeper.h"

#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>

#include "daemon/audit/lines.h"
#include "daemon/audit/reader.h"
#include "tests/unit/service_support.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class KeeperOfTheLog : public ServiceTest {
 protected:
  boost::asio::awaitable<bool> until(std::function<bool()> holds) {
    boost::asio::steady_timer timer(loop_.context());
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!holds() && std::chrono::steady_clock::now() < end) {
      timer.expires_after(10ms);
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    co_return holds();
  }
  boost::asio::awaitable<bool> finished() {
    co_await keeper_.finish();
    co_return true;
  }
  std::vector<json::object> records(std::int64_t after = -1) {
    return audit::read(folder_ / "audit", after, 100);
  }
  void refuse(int times) {
    audit::Record record;
    record.code = "not_permitted";
    record.operation = "sign.sigv4";
    record.uid = 7;
    record.time = service_->clock.now();
    for (int i = 0; i < times; ++i)
      EXPECT_FALSE(service_->denials.in_full(record, 7, true, service_->clock.steady()));
  }

  // The daemon is started again, and signs what the log has become.
  void sign_again() {
    service_->checkpoints = {};
    keeper_.resume();
    EXPECT_TRUE(await(signed_anew()).value);
  }
  boost::asio::awaitable<bool> signed_anew() {
    co_await keeper_.record("start", "ok", "");
    co_await service_->checkpoints.look(*service_, service_->clock.steady(), true);
    co_return true;
  }
  std::size_t records_of(const char* operation) {
    return static_cast<std::size_t>(std::ranges::count_if(
        records(),
        [&](const json::object& record) { return record.at("operation") == operation; }));
  }
  std::string stored() { return (folder_ / "audit") + "/" + audit::checkpoint_path(newest()); }
  std::uint64_t newest() { return audit::list_checkpoints(folder_ / "audit").back(); }

  LogKeeper keeper_{*service_};
};

class KeeperOfAnAnchoredLog : public KeeperOfTheLog {
 protected:
  KeeperOfAnAnchoredLog() {
    create("audit-log", "audit");
    service_->config.audit.signing_key = "audit-log";
    sign_again();
  }
};

TEST_F(KeeperOfAnAnchoredLog, GoesOnFromItsOwnCheckpoint) {
  const std::size_t surprises = records_of("audit.behind_anchor");
  const std::uint64_t size = newest();
  service_->checkpoints = {};
  keeper_.resume();
  EXPECT_EQ(service_->checkpoints.signed_size(), size);
  sign_again();
  EXPECT_EQ(records_of("audit.behind_anchor"), surprises);
}

// Who puts an older log back can write into its checkpoint where the counter is by now, but not sign that.
TEST_F(KeeperOfAnAnchoredLog, DoesNotTakeTheAnchorOfACheckpointThatNoKeyOfItsOwnSigned) {
  const std::size_t surprises = records_of("audit.behind_anchor");
  dynamic_cast<Anchor&>(*device_->open()).increment();
  std::string note = read_file(stored(), audit::kMostNoteBytes);
  const std::size_t at = note.find("\nanchor 1\n");
  ASSERT_NE(at, std::string::npos) << note;
  note.replace(at, 10, "\nanchor 2\n");
  replace_file(stored(), note, 0600);
  replace_file((folder_ / "audit") + "/checkpoint", note, 0600);
  sign_again();
  EXPECT_EQ(records_of("audit.behind_anchor"), surprises + 1);
}

// Nor lay a newer one of its own beside it, under a number that the next one takes.
TEST_F(KeeperOfAnAnchoredLog, DoesNotTakeTheAnchorOfACheckpointOfOtherRecords) {
  const std::size_t surprises = records_of("audit.behind_anchor");
  const std::string folder = folder_ / "audit";
  const std::uint64_t size = newest();
  service_->audit->stop();
  std::filesystem::copy(folder, folder_ / "older", std::filesystem::copy_options::recursive);
  service_->audit = audit::Writer::make(loop_, folder, false, 10s);
  dynamic_cast<Anchor&>(*device_->open()).increment();
  sign_again();
  const std::string newer = read_file(stored(), audit::kMostNoteBytes);
  service_->audit->stop();
  std::filesystem::remove_all(folder);
  std::filesystem::copy(folder_ / "older", folder, std::filesystem::copy_options::recursive);
  replace_file(folder + "/" + audit::checkpoint_path(size - 1), newer, 0600);
  std::filesystem::remove(folder + "/" + audit::checkpoint_path(size));
  service_->audit = audit::Writer::make(loop_, folder, false, 10s);
  sign_again();
  EXPECT_EQ(records_of("audit.behind_anchor"), surprises + 1);
}

TEST_F(KeeperOfTheLog, TakesOldDetailsAwayAndRecordsIt) {
  service_->audit->stop();
  {
    const auto log = audit::Log::open(folder_ / "audit", false);
    std::vector<audit::Record> old(audit::kSegmentLeaves + 10);
    for (audit::Record& record : old) record.time = std::chrono::system_clock::now() - 240h;
    log->append(old);
    log->store_head();
  }
  service_->audit = audit::Writer::make(loop_, folder_ / "audit", false, 10s);
  service_->config.audit.keep_details_days = 3;
  boost::asio::co_spawn(loop_.context(), keeper_.run(), boost::asio::detached);
  const std::uint64_t before = service_->audit->size();
  EXPECT_EQ(await(until([&] { return service_->audit->size() > before; })).value, true);
  EXPECT_FALSE(std::filesystem::exists(audit::segment_path(folder_ / "audit", "details", 0)));
  EXPECT_TRUE(std::filesystem::exists(
      audit::segment_path(folder_ / "audit", "details", audit::kSegmentLeaves)));
  const json::object record = records(static_cast<std::int64_t>(before) - 1).at(0);
  EXPECT_EQ(record.at("operation"), "audit.prune");
  EXPECT_EQ(record.at("details").at("reason"), "details of the records 0 to 65535");
  EXPECT_TRUE(audit::verify(folder_ / "audit").good);
}

TEST_F(KeeperOfTheLog, WritesTheCountsOfRefusalsBeforeItStops) {
  refuse(5);
  EXPECT_EQ(await(finished()).value, true);
  const auto written = records();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_EQ(written[0].at("count"), 5);
  EXPECT_EQ(written[0].at("uid"), 7);
  EXPECT_THAT(std::string(written[0].at("details").at("reason").as_string()),
              HasSubstr("counted from "));
  EXPECT_EQ(written[1].at("operation"), "stop");
}

}  // namespace
}  // namespace holdfast
