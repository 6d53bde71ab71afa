// What daemon/key/backend.h promises of an Anchor, over every device that is one.
#include "tests/contract/backend_test.h"
#include "tests/contract/crypto.h"

namespace holdfast::test {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AnchorContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NoAnchorContract);

TEST_P(AnchorContract, HasNoValueBeforeItsFirstIncrementAndReadingMakesNone) {
  EXPECT_TRUE(backend_->describe().anchor);
  EXPECT_EQ(anchor().read().value, std::nullopt);
  EXPECT_EQ(anchor().read().value, std::nullopt);
}

TEST_P(AnchorContract, GrowsWithEachIncrementAndStaysAsItIsBetween) {
  std::uint64_t before = 0;
  for (int i = 0; i < 3; ++i) {
    const auto value = anchor().increment().value;
    ASSERT_TRUE(value);
    EXPECT_GT(*value, before);
    EXPECT_EQ(anchor().read().value, value);
    before = *value;
  }
  reopen();
  EXPECT_EQ(anchor().read().value, before);
  EXPECT_GT(anchor().increment().value, before);
}

TEST_P(AnchorContract, KeysSignBesideIt) {
  const DeviceKey key = backend_->create(KeyType::ec_p256);
  const Sha256 digest = sha256("beside");
  for (int i = 0; i < 3; ++i) {
    anchor().increment();
    EXPECT_TRUE(
        verifies(key.public_key, digest, backend_->sign(key.object, Algorithm::es256, digest)));
  }
}

TEST_P(NoAnchorContract, SaysSoAndRefusesToCount) {
  auto& none = dynamic_cast<Anchor&>(*backend_);
  EXPECT_FALSE(backend_->describe().anchor);
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] { none.read(); }));
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] { none.increment(); }));
  EXPECT_NO_THROW(backend_->create(KeyType::ec_p256));
}

}  // namespace
}  // namespace holdfast::test
