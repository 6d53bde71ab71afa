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

  LogKeeper keeper_{*service_};
};

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
