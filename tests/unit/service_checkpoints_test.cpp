#include <boost/asio/detached.hpp>

#include "daemon/audit/checkpoint.h"
#include "daemon/service/documents.h"
#include "tests/unit/service_support.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class CheckpointsOfTheCore : public ServiceTest {
 protected:
  CheckpointsOfTheCore() { service_->config.audit.signing_key = "audit-log"; }

  void grow() {
    audit::Record record;
    record.code = "ok";
    record.operation = "start";
    EXPECT_TRUE(await(service_->audit->write(record)).value);
  }
  boost::asio::awaitable<bool> looked(SteadyTime now, bool last) {
    co_await service_->checkpoints.look(*service_, now, last);
    co_return true;
  }
  // The records that are signed after a look at this time.
  std::uint64_t look(SteadyTime now, bool last = false) {
    await(looked(now, last));
    return service_->checkpoints.signed_size();
  }
  const SteadyTime start_ = service_->clock.steady();
};

TEST_F(CheckpointsOfTheCore, ComeAMinuteAfterTheLogHasGrownAndWhenItStops) {
  create("audit-log", "audit");
  EXPECT_EQ(look(start_ + 1000s), 0U) << "nothing to sign";
  grow();
  EXPECT_EQ(look(start_ + 2000s), 0U);
  EXPECT_EQ(look(start_ + 2059s), 0U);
  EXPECT_EQ(look(start_ + 2060s), 1U);
  grow();
  EXPECT_EQ(look(start_ + 2061s, true), 2U);
  const auto stored = audit::read_signed(folder_ / "audit");
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->checkpoint.state.size, 2U);
  EXPECT_EQ(stored->checkpoint.catalogue_digest, catalogue_digest(*service_));
  EXPECT_TRUE(stored->is_signed_by(service_->catalogue.find("audit-log")->active()->public_key));
}

TEST_F(CheckpointsOfTheCore, LetCallersGoFirstButNotForLongerThanFiveMinutes) {
  create("audit-log", "audit");
  create("busy");
  grow();
  EXPECT_EQ(look(start_), 0U);
  device_->hang();
  boost::asio::co_spawn(
      loop_.context(),
      [this]() -> boost::asio::awaitable<void> {
        const Catalogue::Entry key = service_->catalogue.find("busy");
        const Sha256 digest = sha256("x");
        try {
          co_await client_->sign(7, key->active()->object, Algorithm::es256, digest);
        } catch (const Error&) {
        }
      },
      boost::asio::detached);
  loop_.context().poll();
  loop_.context().restart();
  EXPECT_FALSE(client_->idle());
  EXPECT_EQ(look(start_ + 200s), 0U);
  EXPECT_EQ(service_->checkpoints.gap(start_ + 200s), "");
  EXPECT_THAT(service_->checkpoints.gap(start_ + 400s), HasSubstr("late"));
  std::thread release([this] {
    while (device_->hanging() == 0) std::this_thread::yield();
    device_->release();
  });
  EXPECT_EQ(look(start_ + 300s), 1U) << "it took its turn";
  release.join();
}

TEST_F(CheckpointsOfTheCore, SayWhyTheyAreNotSigned) {
  grow();
  look(start_);
  EXPECT_EQ(look(start_ + 60s), 0U);
  EXPECT_THAT(service_->checkpoints.gap(start_ + 60s), HasSubstr("holdfast key create audit-log"));
  create("audit-log");  // of another use
  EXPECT_EQ(look(start_ + 70s), 0U);
  EXPECT_THAT(service_->checkpoints.gap(start_ + 70s), HasSubstr("is not for audit"));
  const json::object health = health_document(*service_, false);
  EXPECT_EQ(health.at("status"), "degraded");
  EXPECT_THAT(json::serialize(health.at("reasons")), testing::Not(HasSubstr("audit-log")));
}

TEST_F(CheckpointsOfTheCore, AreNotMadeOfASpoiltSignature) {
  create("audit-log", "audit");
  grow();
  look(start_);
  device_->spoil_next_signatures(1);
  EXPECT_EQ(look(start_ + 60s), 0U);
  EXPECT_THAT(service_->checkpoints.gap(start_ + 60s), HasSubstr("its own public key refuses"));
  EXPECT_EQ(look(start_ + 65s), 0U) << "not again at once";
  EXPECT_EQ(look(start_ + 70s), 1U);
  EXPECT_EQ(service_->checkpoints.gap(start_ + 70s), "");
}

}  // namespace
}  // namespace holdfast
