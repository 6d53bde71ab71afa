// The TPM goes away beneath us.
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <thread>

#include "tests/contract/crypto.h"
#include "tests/contract/test_tpm.h"
#include "tests/support/swtpm.h"
#include "tpm/backend.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

TEST(TpmRestart, IsReportedAtOnceAndCountsNoLockout) {
  HOLDFAST_REQUIRE_OWN_TPM("it is killed");
  Swtpm tpm;
  auto backend = tpm::open(tpm.tcti());
  const DeviceKey ec = backend->create(KeyType::ec_p256);
  const DeviceKey hmac = backend->import_secret(Secret(as_bytes("secret")));

  for (int round = 0; round < 5; ++round) {
    std::atomic<int> signatures = 0;
    Steady::time_point killed;
    // kill(2) after some work, each time elsewhere in it.
    std::thread killer([&] {
      while (signatures < 3 + 7 * round) std::this_thread::yield();
      killed = Steady::now();
      tpm.kill();
    });
    ErrorKind kind{};
    try {
      for (;; ++signatures) {
        const Sha256 digest = sha256(std::to_string(signatures));
        EXPECT_TRUE(
            verifies(ec.public_key, digest, backend->sign(ec.object, Algorithm::es256, digest)));
        EXPECT_EQ(hex_of(backend->mac(hmac.object, {bytes_of("m")})),
                  hex_of(hmac_sha256(as_bytes("secret"), as_bytes("m"))));
      }
    } catch (const Error& error) {
      kind = error.kind();
    }
    const auto reported = Steady::now();
    signatures = INT_MAX;  // lets the killer go too where the backend failed of itself
    killer.join();
    EXPECT_EQ(kind, ErrorKind::device_unavailable);
    EXPECT_LT(reported - killed, 10s);
    // And so it stays, promptly: the owner has to open the device again.
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { backend->check(); }));
    EXPECT_TRUE(
        throws_kind(ErrorKind::device_unavailable, [&] { backend->create(KeyType::ec_p256); }));
    EXPECT_LT(Steady::now() - reported, 10s);

    backend.reset();
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { tpm::open(tpm.tcti()); }));
    tpm.start();
    backend = tpm::open(tpm.tcti());
    EXPECT_EQ(backend->describe().lockout_counter, 0U);
  }
  const Sha256 digest = sha256("after all");
  EXPECT_TRUE(verifies(ec.public_key, digest, backend->sign(ec.object, Algorithm::es256, digest)));
}

// A reset beneath an open connection takes the loaded keys and every saved context with it.
TEST(TpmRestart, ResetBeneathAnOpenConnectionIsHealedByOpeningAgain) {
  HOLDFAST_REQUIRE_OWN_TPM("it is reset");
  Swtpm tpm;
  auto backend = tpm::open(tpm.tcti());
  std::vector<DeviceKey> keys;
  keys.reserve(4);
  for (int i = 0; i < 4; ++i) keys.push_back(backend->create(KeyType::ec_p256));
  for (const DeviceKey& key : keys) backend->sign(key.object, Algorithm::es256, Bytes(32, 1));
  tpm.reset();
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable,
                          [&] { backend->sign(keys[0].object, Algorithm::es256, Bytes(32, 1)); }));
  backend.reset();
  backend = tpm::open(tpm.tcti());
  const Sha256 digest = sha256("after the reset");
  for (const DeviceKey& key : keys)
    EXPECT_TRUE(
        verifies(key.public_key, digest, backend->sign(key.object, Algorithm::es256, digest)));
}

TEST(TpmRestart, AnotherStateIsAnotherTpm) {
  HOLDFAST_REQUIRE_OWN_TPM("there is but one");
  const Swtpm one, two;
  EXPECT_NE(tpm::open(one.tcti())->describe().parent_name,
            tpm::open(two.tcti())->describe().parent_name);
}

}  // namespace
}  // namespace holdfast::test
