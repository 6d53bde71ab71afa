// The counter in a TPM's NV memory, in what a TPM lives through.
#include <tss2/tss2_tpm2_types.h>

#include "tests/contract/bus.h"
#include "tests/contract/crypto.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"

namespace holdfast::test {
namespace {

constexpr const char* kIndex = "0x01A04846";

class TpmAnchor : public testing::TestWithParam<tpm::Sessions> {
 protected:
  void SetUp() override {
    HOLDFAST_REQUIRE_OWN_TPM("it loses its power, its owner and its counter");
    HOLDFAST_REQUIRE_TPM2_TOOLS();
    tpm_ = std::make_unique<Swtpm>();
    tools_ = std::make_unique<Tools>(tpm_->tcti());
  }

  template <class Use>
  auto with(Use use, std::uint32_t index = tpm::kAnchorIndex) const {
    const auto backend = tpm::open(tpm_->tcti(), GetParam(), index);
    return use(dynamic_cast<Anchor&>(*backend));
  }
  std::uint64_t increment() const {
    return with([](Anchor& anchor) { return anchor.increment().value.value(); });
  }
  std::optional<std::uint64_t> read() const {
    return with([](Anchor& anchor) { return anchor.read().value; });
  }

  std::unique_ptr<Swtpm> tpm_;
  std::unique_ptr<Tools> tools_;
};

// TPM 2.0 Part 1 §37.2.4: an orderly counter that was not saved goes on from above what it can have been.
TEST_P(TpmAnchor, NeverFallsInAPowerCut) {
  std::uint64_t before = 0;
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t value = increment();
    EXPECT_GT(value, before);
    tpm_->kill();
    tpm_->start();
    const auto after = read();
    ASSERT_TRUE(after);
    EXPECT_GE(*after, value);
    before = *after;
  }
}

// Whoever undefines it and defines it anew, with the empty password of the owner, can't turn it back.
TEST_P(TpmAnchor, StartsAboveWhatItWasWhenItWasRemovedFromItsPlace) {
  increment();
  const std::uint64_t before = increment();
  tools_->must({"tpm2_nvundefine", "-C", "o", kIndex});
  EXPECT_EQ(read(), std::nullopt);
  EXPECT_GT(increment(), before);
}

// TPM2_Clear may forget how high it was: then it is another device, and no key of the former signs beside it.
TEST_P(TpmAnchor, IsAnotherDevicesOnceTheTpmWasCleared) {
  increment();
  const auto parent = [&] { return tpm::open(tpm_->tcti(), GetParam())->describe().parent_name; };
  const std::string before = parent();
  tools_->must({"tpm2_clear", "-c", "p"});
  EXPECT_EQ(read(), std::nullopt);
  EXPECT_NE(parent(), before);
  const std::uint64_t first = increment();
  EXPECT_GT(increment(), first);
}

// The command in the text is run as it stands, and then the counter counts.
TEST_P(TpmAnchor, AnOwnerPasswordIsSaidWithItsCureAndNeverTried) {
  tools_->must({"sh", "-c",
                "tpm2_createprimary -C o -g sha256 -G ecc256:aes128cfb -a 'fixedtpm|fixedparent|"
                "sensitivedataorigin|userwithauth|noda|restricted|decrypt' -c srk.ctx && "
                "tpm2_evictcontrol -C o -c srk.ctx 0x81000001"});
  tools_->must({"tpm2_changeauth", "-c", "owner", "PASSWORD"});
  std::string said;
  {
    Bus bus(*tpm_);
    const auto backend = tpm::open(bus.tcti(), GetParam());
    try {
      dynamic_cast<Anchor&>(*backend).increment();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      said = error.detail();
    }
    EXPECT_EQ(bus.count(TPM2_CC_NV_DefineSpace), 0);
  }
  EXPECT_LT(said.size(), 512U) << "longer texts are cut on their way to the core";
  const std::size_t command = said.find("tpm2_nvdefine");
  ASSERT_NE(command, std::string::npos) << said;
  tools_->must({"sh", "-c", said.substr(command)});
  EXPECT_EQ(read(), std::nullopt);
  const std::uint64_t first = increment();
  EXPECT_GT(increment(), first);
}

TEST_P(TpmAnchor, AnIndexThatIsAnotherProgramsIsLeftAlone) {
  for (const char* attributes :
       {"authread|authwrite|no_da", "nt=counter|ownerread|ownerwrite|no_da",
        "nt=counter|authread|authwrite", "nt=bits|authread|authwrite|no_da"}) {
    tools_->must({"tpm2_nvdefine", "-C", "o", "-s", "8", "-a", attributes, kIndex});
    EXPECT_TRUE(throws_kind(ErrorKind::conflict, [&] { read(); })) << attributes;
    EXPECT_TRUE(throws_kind(ErrorKind::conflict, [&] { increment(); })) << attributes;
    tools_->must({"tpm2_nvundefine", "-C", "o", kIndex});
  }
}

TEST_P(TpmAnchor, HasTheIndexThatItIsGivenAndNoneForZero) {
  constexpr std::uint32_t other = tpm::kFirstOwnerIndex + 7;
  const auto value = with([](Anchor& anchor) { return anchor.increment().value; }, other);
  EXPECT_EQ(read(), std::nullopt);
  EXPECT_EQ(with([](Anchor& anchor) { return anchor.read().value; }, other), value);

  const auto backend = tpm::open(tpm_->tcti(), GetParam(), 0);
  EXPECT_FALSE(backend->describe().anchor);
  EXPECT_TRUE(
      throws_kind(ErrorKind::unsupported, [&] { dynamic_cast<Anchor&>(*backend).increment(); }));
}

TEST(TpmAnchorBus, AValueThatIsAlteredOnTheWayIsNotBelieved) {
  HOLDFAST_REQUIRE_OWN_TPM("its answers are altered");
  Swtpm tpm;
  Bus bus(tpm);
  const auto backend = tpm::open(bus.tcti(), tpm::Sessions::encrypted);
  auto& anchor = dynamic_cast<Anchor&>(*backend);
  anchor.increment();
  bus.on_answer([](std::uint32_t code, Bytes& answer) {
    // Part 1 §18.8: header, size of the parameters, size of the buffer, buffer.
    if (code == TPM2_CC_NV_Read && answer.size() > 24) answer[20] ^= 1;
  });
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { anchor.read(); }));
}

INSTANTIATE_TEST_SUITE_P(Sessions, TpmAnchor,
                         testing::Values(tpm::Sessions::plain, tpm::Sessions::encrypted));

}  // namespace
}  // namespace holdfast::test
