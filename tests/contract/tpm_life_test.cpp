// What happens to a TPM in its life, recognised and said, with what to do about it.
#include <tss2/tss2_tpm2_types.h>

#include "tests/contract/bus.h"
#include "tests/contract/crypto.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"

namespace holdfast::test {
namespace {

// What opening fails with, "" if it doesn't.
std::string complaint(const std::string& tcti, tpm::Sessions sessions) {
  try {
    tpm::open(tcti, sessions);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device_unavailable);
    return error.what();
  }
}

class TpmLife : public testing::TestWithParam<tpm::Sessions> {
 protected:
  void SetUp() override {
    HOLDFAST_REQUIRE_OWN_TPM(
        "its answers are altered, and the platform hierarchy is used, which firmware closes");
    HOLDFAST_REQUIRE_TPM2_TOOLS();
    tpm_ = std::make_unique<Swtpm>();
    tools_ = std::make_unique<Tools>(tpm_->tcti());
  }
  std::unique_ptr<Backend> open() const { return tpm::open(tpm_->tcti(), GetParam()); }
  bool signs(Backend& backend, const DeviceKey& key) const {
    const Sha256 digest = sha256("digest");
    return verifies(key.public_key, digest, backend.sign(key.object, Algorithm::es256, digest));
  }

  std::unique_ptr<Swtpm> tpm_;
  std::unique_ptr<Tools> tools_;
};

// The commands in the text are run as they stand, and then the old keys work again.
TEST_P(TpmLife, AnOwnerPasswordIsSaidWithItsCureAndNeverTried) {
  DeviceKey key;
  std::string name;
  {
    const auto backend = open();
    key = backend->create(KeyType::ec_p256);
    name = backend->describe().parent_name;
  }
  tools_->must({"tpm2_changeauth", "-c", "owner", "PASSWORD"});
  std::string said;
  {
    Bus bus(*tpm_);
    said = complaint(bus.tcti(), GetParam());
    EXPECT_EQ(bus.count(TPM2_CC_CreatePrimary), 0);
  }
  EXPECT_NE(said.find("owner hierarchy has a password"), std::string::npos) << said;
  EXPECT_LT(said.size(), 512U) << "longer texts are cut on their way to the core";
  const std::size_t commands = said.find("tpm2_createprimary");
  ASSERT_NE(commands, std::string::npos) << said;
  tools_->must({"sh", "-c", said.substr(commands)});

  const auto backend = open();
  EXPECT_EQ(backend->describe().parent_name, name);
  EXPECT_TRUE(signs(*backend, key));
  EXPECT_TRUE(signs(*backend, backend->create(KeyType::ec_p256)));
}

// What swtpm can't be brought into: every command but GetCapability and GetTestResult is answered with
// TPM_RC_FAILURE (TPM 2.0 Part 1 §12.4).
TEST_P(TpmLife, FailureModeIsSaidWithItsCure) {
  Bus bus(*tpm_);
  const auto fail = [](std::uint32_t code, Bytes& answer) {
    if (code != TPM2_CC_GetCapability && code != TPM2_CC_GetTestResult)
      answer = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x01};
  };
  bus.on_answer(fail);
  EXPECT_NE(complaint(bus.tcti(), GetParam()).find("power the machine off and on"),
            std::string::npos);

  bus.on_answer({});
  const auto backend = tpm::open(bus.tcti(), GetParam());
  const DeviceKey key = backend->create(KeyType::ec_p256);
  bus.on_answer(fail);
  try {
    signs(*backend, key);
    ADD_FAILURE() << "signed in failure mode";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device_unavailable);
    EXPECT_NE(error.detail().find("power the machine off and on"), std::string::npos)
        << error.detail();
  }
}

// tpm2_clear makes another root; what was wrapped by the old one is lost, and said to be.
TEST_P(TpmLife, AClearedTpmIsAnotherDeviceAndItsKeysAreLost) {
  DeviceKey key;
  std::string name;
  {
    const auto backend = open();
    key = backend->create(KeyType::ec_p256);
    name = backend->describe().parent_name;
  }
  tools_->must({"tpm2_clear", "-c", "p"});
  const auto backend = open();
  EXPECT_NE(backend->describe().parent_name, name);
  EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] { signs(*backend, key); }));
  EXPECT_TRUE(signs(*backend, backend->create(KeyType::ec_p256)));
}

// A persistent root that goes away beneath an open connection: the device has to be opened again, and no key
// is called lost, for the root of the usual template is made anew.
TEST_P(TpmLife, ARootThatIsEvictedMeanwhileLosesNoKey) {
  tools_->must({"sh", "-c",
                "tpm2_createprimary -C o -g sha256 -G ecc256:aes128cfb -a 'fixedtpm|fixedparent|"
                "sensitivedataorigin|userwithauth|noda|restricted|decrypt' -c srk.ctx && "
                "tpm2_evictcontrol -C o -c srk.ctx 0x81000001"});
  Bus bus(*tpm_);
  auto backend = tpm::open(bus.tcti(), GetParam());
  const DeviceKey key = backend->create(KeyType::ec_p256);
  // What the TPM says of a persistent handle that is no more: TPM_RC_HANDLE of the first handle.
  bus.on_answer([](std::uint32_t code, Bytes& answer) {
    if (code == TPM2_CC_Load || code == TPM2_CC_Create)
      answer = {0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x8B};
  });
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { signs(*backend, key); }));
  EXPECT_TRUE(
      throws_kind(ErrorKind::device_unavailable, [&] { backend->create(KeyType::ec_p256); }));
  bus.on_answer({});
  backend.reset();
  tools_->must({"tpm2_evictcontrol", "-C", "o", "-c", "0x81000001"});
  backend = open();
  EXPECT_TRUE(signs(*backend, key));
}

TEST_P(TpmLife, ADisabledOwnerHierarchyIsSaid) {
  tools_->must({"tpm2_hierarchycontrol", "-C", "p", "shEnable", "clear"});
  EXPECT_NE(complaint(tpm_->tcti(), GetParam()).find("owner hierarchy is disabled"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Sessions, TpmLife,
                         testing::Values(tpm::Sessions::plain, tpm::Sessions::encrypted));

}  // namespace
}  // namespace holdfast::test
