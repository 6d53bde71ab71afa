#include "daemon/service/documents.h"
#include "daemon/service/verification.h"
#include "tests/unit/service_support.h"

namespace holdfast {
namespace {

config::Device sampled(const std::string& name) {
  config::Device device;
  device.name = name;
  device.verify = config::Verify::sampled;
  return device;
}

std::vector<int> due_of(Verification& verification, const std::string& device, ByteView key,
                        int signatures) {
  std::vector<int> due;
  for (int i = 1; i <= signatures; ++i)
    if (verification.is_due(device, Algorithm::es256, key)) due.push_back(i);
  return due;
}

const std::vector<int> kSample{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 64, 128, 192};

TEST(Verification, SamplesTheFirstSixteenOfAKeyAndThenEachSixtyFourth) {
  Verification verification({sampled("hsm")});
  EXPECT_EQ(due_of(verification, "hsm", Bytes{1}, 200), kSample);
  EXPECT_EQ(due_of(verification, "hsm", Bytes{2}, 200), kSample) << "each key has its own count";
}

TEST(Verification, IsOfEveryRsaSignature) {
  Verification verification({sampled("hsm")});
  for (int i = 0; i < 200; ++i)
    for (const Algorithm algorithm : {Algorithm::rs256, Algorithm::ps256})
      EXPECT_TRUE(verification.is_due("hsm", algorithm, Bytes{1})) << i;
}

TEST(Verification, IsOfAllWhereTheDeviceIsNotSampledOrNotKnown) {
  config::Device other;
  other.name = "tpm";
  Verification verification({other, sampled("hsm")});
  for (const char* device : {"tpm", "gone"}) {
    EXPECT_EQ(due_of(verification, device, Bytes{1}, 200).size(), 200u);
    EXPECT_EQ(verification.of(device), config::Verify::always);
  }
  EXPECT_EQ(verification.of("hsm"), config::Verify::sampled);
}

TEST(Verification, BeginsAnewWithEachOpeningAndForADeletedKey) {
  Verification verification({sampled("hsm")});
  due_of(verification, "hsm", Bytes{1}, 100);
  verification.opened("hsm");
  EXPECT_EQ(due_of(verification, "hsm", Bytes{1}, 200), kSample);
  verification.forget("hsm", Bytes{1});
  EXPECT_EQ(due_of(verification, "hsm", Bytes{1}, 200), kSample);
}

TEST(Verification, IsOfAllAfterAFailureUntilTheDeviceIsOpenedAnew) {
  Verification verification({sampled("hsm"), sampled("other")});
  due_of(verification, "hsm", Bytes{1}, 100);
  verification.failed("hsm");
  EXPECT_EQ(verification.of("hsm"), config::Verify::always);
  EXPECT_EQ(verification.of("other"), config::Verify::sampled);
  EXPECT_EQ(due_of(verification, "hsm", Bytes{2}, 100).size(), 100u);
  verification.opened("hsm");
  EXPECT_EQ(verification.of("hsm"), config::Verify::sampled);
}

class SampledService : public ServiceTest {
 protected:
  SampledService() : ServiceTest(config::Verify::sampled) { create("k"); }
  std::string shown() {
    const json::object health = health_document(*service_, true);
    const json::object key = key_document(*service_, *service_->catalogue.find("k"), false);
    EXPECT_EQ(health.at("devices").as_array().at(0).at("verify"), key.at("verify"));
    return std::string(key.at("verify").as_string());
  }
};

TEST_F(SampledService, ReleasesNoSignatureThatFailsItsVerificationAndThenVerifiesAll) {
  EXPECT_EQ(shown(), "sampled");
  for (int i = 1; i <= 16; ++i) ASSERT_EQ(sign("k"), std::nullopt);
  device_->spoil_next_signatures(1);
  EXPECT_EQ(sign("k"), std::nullopt) << "the 17th is not verified";
  for (int i = 18; i <= 63; ++i) ASSERT_EQ(sign("k"), std::nullopt);
  device_->spoil_next_signatures(2);
  EXPECT_EQ(sign("k"), ErrorKind::device_unavailable) << "the 64th is";
  EXPECT_EQ(shown(), "always");
  EXPECT_EQ(sign("k"), ErrorKind::device_unavailable) << "the 65th, after a failure";
  EXPECT_EQ(sign("k"), std::nullopt);
  EXPECT_EQ(shown(), "always");

  device_->fail_next(1, ErrorKind::device_unavailable);
  EXPECT_EQ(sign("k"), ErrorKind::device_unavailable);
  for (int i = 0; i < 1000 && client_->state() != device::State::ready; ++i)
    loop_.context().restart(), loop_.context().run_one_for(std::chrono::milliseconds(5));
  EXPECT_EQ(shown(), "sampled") << "it was opened anew";
}

class AlwaysService : public ServiceTest {};

TEST_F(AlwaysService, ReleasesNoSignatureThatDoesNotVerify) {
  create("k");
  for (int i = 1; i <= 20; ++i) ASSERT_EQ(sign("k"), std::nullopt);
  device_->spoil_next_signatures(1);
  EXPECT_EQ(sign("k"), ErrorKind::device_unavailable);
  EXPECT_EQ(sign("k"), std::nullopt);
}

}  // namespace
}  // namespace holdfast
