// Threat 13: another program locks the TPM to stop us.
#include "tests/contract/crypto.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"

namespace holdfast::test {
namespace {

// The control: a key under dictionary-attack protection, which the lockout does stop, with the
// right password too.
TEST(TpmLockout, DoesNotStopSigning) {
  HOLDFAST_REQUIRE_TPM();
  HOLDFAST_REQUIRE_TPM2_TOOLS();
  const TestTpm tpm;
  const Tools tools(tpm.tcti());
  auto backend = tpm::open(tpm.tcti());
  const DeviceKey ec = backend->create(KeyType::ec_p256);
  const DeviceKey hmac = backend->import_secret(Secret(as_bytes("secret")));
  backend.reset();

  tools.must({"tpm2_dictionarylockout", "-s", "-n", "3", "-t", "100000", "-l", "100000"});
  tools.must({"tpm2_createprimary", "-C", "o", "-p", "right", "-c", "protected.ctx"});
  const auto use = [&](const std::string& password) {
    return tools.run(
        {"tpm2_create", "-C", "protected.ctx", "-P", password, "-G", "ecc", "-u", "u", "-r", "r"});
  };
  EXPECT_EQ(use("right").status, 0);
  for (int i = 0; i < 4; ++i) EXPECT_NE(use("wrong").status, 0);
  const Outcome locked = use("right");
  ASSERT_NE(locked.status, 0);
  ASSERT_NE(locked.output.find("0x921"), std::string::npos) << locked.output;

  backend = tpm::open(tpm.tcti());
  EXPECT_EQ(backend->describe().lockout_counter, 3U);
  const Sha256 digest = sha256("under lockout");
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(
        verifies(ec.public_key, digest, backend->sign(ec.object, Algorithm::es256, digest)));
    EXPECT_EQ(hex_of(backend->mac(hmac.object, {bytes_of("m")})),
              hex_of(hmac_sha256(as_bytes("secret"), as_bytes("m"))));
  }
  const DeviceKey later = backend->create(KeyType::ec_p256);
  EXPECT_TRUE(
      verifies(later.public_key, digest, backend->sign(later.object, Algorithm::es256, digest)));
  EXPECT_NO_THROW(backend->import_secret(Secret(as_bytes("another"))));
  backend->check();
  EXPECT_EQ(backend->describe().lockout_counter, 3U);
}

}  // namespace
}  // namespace holdfast::test
