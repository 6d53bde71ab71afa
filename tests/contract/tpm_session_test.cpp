// Encrypted sessions and auth values.
#include <tss2/tss2_esys.h>

#include "tests/contract/crypto.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"
#include "tpm/handles.h"
#include "tpm/key_file.h"
#include "tpm/session.h"
#include "tpm/srk.h"

namespace holdfast::test {
namespace {

std::unique_ptr<Backend> open_encrypted(const std::string& tcti) {
  return tpm::open(tcti, tpm::Sessions::encrypted);
}

bool signs(Backend& backend, const DeviceKey& key) {
  const Sha256 digest = sha256("digest");
  return verifies(key.public_key, digest, backend.sign(key.object, Algorithm::es256, digest));
}

int loaded_sessions(ESYS_CONTEXT* esys) {
  tpm::Returned<TPMS_CAPABILITY_DATA> data;
  TPMI_YES_NO more = TPM2_NO;
  tpm::run("Esys_GetCapability", [&] {
    return Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES,
                              TPM2_LOADED_SESSION_FIRST, 16, &more, data.out());
  });
  return static_cast<int>(data->data.handles.count);
}

TEST(TpmSession, AKeyWithAnAuthValueWorksWherePlainSessionsAreTheRuleAndTheOtherWayRound) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const DeviceKey with = open_encrypted(tpm.tcti())->create(KeyType::ec_p256);
  const DeviceKey secret = open_encrypted(tpm.tcti())->import_secret(Secret(as_bytes("secret")));
  const DeviceKey without = tpm::open(tpm.tcti(), tpm::Sessions::plain)->create(KeyType::ec_p256);
  EXPECT_EQ(tpm::from_pem(with.object).auth.size(), 32U);
  EXPECT_EQ(tpm::from_pem(secret.object).auth.size(), 32U);
  EXPECT_TRUE(tpm::from_pem(without.object).auth.empty());
  for (const tpm::Sessions sessions : {tpm::Sessions::plain, tpm::Sessions::encrypted}) {
    const auto backend = tpm::open(tpm.tcti(), sessions);
    EXPECT_TRUE(signs(*backend, with));
    EXPECT_TRUE(signs(*backend, without));
    EXPECT_EQ(hex_of(backend->mac(secret.object, {bytes_of("m")})),
              hex_of(hmac_sha256(as_bytes("secret"), as_bytes("m"))));
  }
}

TEST(TpmSession, IsPlainToASoftwareTpmUnlessItIsToldOtherwise) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  EXPECT_FALSE(tpm::open(tpm.tcti())->describe().encrypted_sessions);
  EXPECT_TRUE(open_encrypted(tpm.tcti())->describe().encrypted_sessions);
}

TEST(TpmSession, AWrongAuthValueLosesTheKeyAndCountsNoLockout) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = open_encrypted(tpm.tcti());
  const DeviceKey good = backend->create(KeyType::ec_p256);
  tpm::KeyFile key = tpm::from_pem(good.object);
  key.auth[0] = key.auth[0] == 'a' ? 'b' : 'a';
  const std::string wrong = tpm::to_pem(key);
  key.auth.clear();
  const std::string none = tpm::to_pem(key);
  for (int i = 0; i < 5; ++i)
    for (const std::string& pem : {wrong, none})
      EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] {
        backend->sign(as_bytes(pem), Algorithm::es256, Bytes(32, 1));
      }));
  EXPECT_TRUE(signs(*backend, good));
  backend->check();
  EXPECT_EQ(backend->describe().lockout_counter, 0U);
}

TEST(TpmSession, EveryFlippedBitOfAFileWithAnAuthValueIsRefused) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = open_encrypted(tpm.tcti());
  const DeviceKey key = backend->create(KeyType::ec_p256);
  ASSERT_TRUE(as_text(key.object).starts_with("Holdfast-Auth: "));
  for (std::size_t bit = 0; bit < key.object.size() * 8; ++bit) {
    Bytes bad = key.object;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
    ASSERT_TRUE(throws_kind(ErrorKind::key_lost, [&] {
      backend->sign(bad, Algorithm::es256, Bytes(32, 1));
    })) << bit;
  }
  const std::string pem(as_text(key.object));
  for (const std::string& text :
       {"Holdfast-Auth: \n" + pem, pem.substr(0, 47) + '\n' + pem, '\n' + pem, pem.substr(1),
        "Holdfast-Auth: " + pem.substr(15, 30) + pem.substr(47)})
    EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] { tpm::from_pem(as_bytes(text)); }));
  EXPECT_TRUE(signs(*backend, key));
}

TEST(TpmSession, IsOneForManyCommandsAndIsNeverHeldWhileIdle) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const tpm::Tcti tcti(tpm.tcti());
  const tpm::Context esys(tcti);
  const tpm::Srk root = tpm::open_srk(esys.get());
  tpm::Session session(esys.get(), root.object.get(), true);
  EXPECT_EQ(loaded_sessions(esys.get()), 0);
  const ESYS_TR first = session.authorise(false);
  for (int i = 1; i < 1000; ++i) ASSERT_EQ(session.authorise(false), first);
  EXPECT_NE(session.authorise(false), first) << "a new salt after a thousand commands";
  EXPECT_EQ(loaded_sessions(esys.get()), 1);
  session.rest();  // used since the last one
  EXPECT_EQ(loaded_sessions(esys.get()), 1);
  session.rest();
  EXPECT_EQ(loaded_sessions(esys.get()), 0);
  EXPECT_NE(session.authorise(false), first);
  EXPECT_EQ(loaded_sessions(esys.get()), 1);
}

TEST(TpmSession, LastsForThousandsOfCommands) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = open_encrypted(tpm.tcti());
  const DeviceKey key = backend->import_secret(Secret(as_bytes("secret")));
  const std::string expected = hex_of(hmac_sha256(as_bytes("secret"), as_bytes("m")));
  for (int i = 0; i < 2100; ++i)
    ASSERT_EQ(hex_of(backend->mac(key.object, {bytes_of("m")})), expected) << i;
}

// Three sessions fit into the TPM, and without a resource manager they outlive who was killed.
TEST(TpmSession, OpensWhereAPredecessorLeftItsSessions) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const DeviceKey key = open_encrypted(tpm.tcti())->create(KeyType::ec_p256);
  {
    const tpm::Tcti tcti(tpm.tcti());
    const tpm::Context esys(tcti);
    const tpm::Srk root = tpm::open_srk(esys.get());
    TPMT_SYM_DEF null{};
    null.algorithm = TPM2_ALG_NULL;
    const auto start = [&] {
      ESYS_TR handle = ESYS_TR_NONE;
      return Esys_StartAuthSession(esys.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                   ESYS_TR_NONE, ESYS_TR_NONE, nullptr, TPM2_SE_HMAC, &null,
                                   TPM2_ALG_SHA256, &handle);
    };
    for (int i = 0; i < 3; ++i) ASSERT_EQ(start(), TSS2_RC_SUCCESS);
    ASSERT_NE(start(), TSS2_RC_SUCCESS);
  }
  const auto backend = open_encrypted(tpm.tcti());
  EXPECT_TRUE(signs(*backend, key));
}

TEST(TpmSession, AResetBeneathItIsHealedByOpeningAgain) {
  HOLDFAST_REQUIRE_OWN_TPM("it is reset");
  Swtpm tpm;
  auto backend = open_encrypted(tpm.tcti());
  const DeviceKey key = backend->create(KeyType::ec_p256);
  EXPECT_TRUE(signs(*backend, key));
  tpm.reset();
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { signs(*backend, key); }));
  backend.reset();
  backend = open_encrypted(tpm.tcti());
  EXPECT_TRUE(signs(*backend, key));
}

}  // namespace
}  // namespace holdfast::test
