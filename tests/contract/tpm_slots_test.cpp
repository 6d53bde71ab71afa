// Three slots for any number of keys.
#include "tests/contract/crypto.h"
#include "tests/contract/root.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"
#include "tpm/handles.h"
#include "tpm/objects.h"
#include "tpm/probe.h"
#include "tpm/srk.h"

namespace holdfast::test {
namespace {

Bytes sign(Backend& backend, const DeviceKey& key, const Sha256& digest) {
  return backend.sign(key.object, Algorithm::es256, digest);
}

// More keys than saved contexts are kept, in an order that defeats the cache.
TEST(TpmSlots, ServeMoreKeysThanTheCacheKeeps) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = tpm::open(tpm.tcti());
  std::vector<DeviceKey> keys;
  keys.reserve(300);
  for (int i = 0; i < 300; ++i) keys.push_back(backend->create(KeyType::ec_p256));
  const Sha256 digest = sha256("digest");
  for (int round = 0; round < 2; ++round)
    for (const DeviceKey& key : keys)
      ASSERT_TRUE(verifies(key.public_key, digest, sign(*backend, key, digest)));
}

TEST(TpmSlots, HoldWhileKeysAreMadeUsedAndRemovedInTurn) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = tpm::open(tpm.tcti());
  const Sha256 digest = sha256("digest");
  const DeviceKey first = backend->create(KeyType::ec_p256);
  for (int i = 0; i < 20; ++i) {
    const DeviceKey key = backend->create(KeyType::ec_p256);
    ASSERT_TRUE(verifies(key.public_key, digest, sign(*backend, key, digest)));
    ASSERT_TRUE(verifies(first.public_key, digest, sign(*backend, first, digest)));
    if (i % 2 == 0) backend->remove(key.object);
    backend->import_secret(Secret(as_bytes("secret")));
    EXPECT_TRUE(
        throws_kind(ErrorKind::key_lost, [&] { backend->mac(bytes_of("garbage"), {Bytes(1)}); }));
  }
}

// A predecessor that was killed flushed nothing, and without a resource manager its objects stay.
TEST(TpmSlots, AreFreedOfWhatAPredecessorLeft) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const DeviceKey key = tpm::open(tpm.tcti())->create(KeyType::ec_p256);
  {
    const tpm::Tcti tcti(tpm.tcti());
    const tpm::Context esys(tcti);
    TPM2B_PUBLIC area{};
    area.publicArea.type = TPM2_ALG_KEYEDHASH;
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    area.publicArea.objectAttributes =
        TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_SENSITIVEDATAORIGIN;
    area.publicArea.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_HMAC;
    area.publicArea.parameters.keyedHashDetail.scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION pcrs{};
    const auto fill_slot = [&] {
      ESYS_TR handle = ESYS_TR_NONE;
      return Esys_CreatePrimary(esys.get(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                ESYS_TR_NONE, &sensitive, &area, &outside, &pcrs, &handle, nullptr,
                                nullptr, nullptr, nullptr);
    };
    for (int i = 0; i < 3; ++i) ASSERT_EQ(fill_slot(), TSS2_RC_SUCCESS);
    ASSERT_EQ(fill_slot(), TPM2_RC_OBJECT_MEMORY);
  }
  const auto backend = tpm::open(tpm.tcti());
  const Sha256 digest = sha256("digest");
  EXPECT_TRUE(verifies(key.public_key, digest, sign(*backend, key, digest)));
}

// A saved context is a short cut only. The root is persistent here, so that it alone outlives the
// reset.
TEST(TpmSlots, LoadTheBlobWhereItsSavedContextDied) {
  HOLDFAST_REQUIRE_OWN_TPM("it is reset");
  Swtpm tpm;
  make_root_persistent(tpm.tcti());
  std::vector<DeviceKey> keys;
  {
    const auto backend = tpm::open(tpm.tcti());
    for (int i = 0; i < 4; ++i) keys.push_back(backend->create(KeyType::ec_p256));
  }
  const tpm::Tcti tcti(tpm.tcti());
  const tpm::Context esys(tcti);
  const tpm::Srk root = tpm::open_srk(esys.get());
  tpm::Session session(esys.get(), root.object.get(), false);
  tpm::Objects objects(esys.get(), root.object.get(), session);
  for (int round = 0; round < 2; ++round)
    for (const DeviceKey& key : keys) objects.use(key.object);
  tpm.reset();
  tpm::start_up(esys.get());
  EXPECT_NO_THROW(objects.use(keys[0].object));
  EXPECT_NO_THROW(objects.use(keys[1].object));
}

}  // namespace
}  // namespace holdfast::test
