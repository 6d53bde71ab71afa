// What a key file may say.
#include <tss2/tss2_mu.h>

#include "tests/contract/crypto.h"
#include "tests/contract/test_tpm.h"
#include "tpm/backend.h"
#include "tpm/key_file.h"

namespace holdfast::test {
namespace {

TEST(TpmKeyFile, HoldsTheFiveFieldsInDer) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const DeviceKey key = tpm::open(tpm.tcti())->create(KeyType::ec_p256);
  const std::string_view pem = as_text(key.object);
  EXPECT_TRUE(pem.starts_with("-----BEGIN TSS2 PRIVATE KEY-----\n"));
  EXPECT_TRUE(pem.ends_with("\n-----END TSS2 PRIVATE KEY-----\n"));
  std::string body(pem.substr(pem.find('\n') + 1));
  body.resize(body.find('-'));
  std::erase(body, '\n');
  const auto der = from_base64(body);
  ASSERT_TRUE(der);
  // After the SEQUENCE's tag and length: OID 2.23.133.10.1.3, [0] { TRUE }, INTEGER 0x40000001.
  EXPECT_EQ(to_hex(ByteView(*der).subspan(3, 19)), "06066781050a0103a0030101ff020440000001");
  EXPECT_EQ(tpm::to_pem(tpm::from_pem(key.object)), pem);
}

// Thousands of damaged files, each refused, and the connection is none the worse for it.
TEST(TpmKeyFile, EveryFlippedBitIsRefused) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = tpm::open(tpm.tcti());
  const DeviceKey ec = backend->create(KeyType::ec_p256);
  const DeviceKey hmac = backend->import_secret(Secret(as_bytes("secret")));
  const auto flip_each = [&](const Bytes& good, auto&& use) {
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      Bytes bad = good;
      bad[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      ASSERT_TRUE(throws_kind(ErrorKind::key_lost, [&] { use(bad); })) << bit;
    }
    use(good);
  };
  flip_each(ec.object,
            [&](const Bytes& object) { backend->sign(object, Algorithm::es256, Bytes(32, 1)); });
  flip_each(hmac.object, [&](const Bytes& object) { backend->mac(object, {Bytes(1)}); });
}

TEST(TpmKeyFile, EveryTruncationAndExtensionIsRefused) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const std::string pem(as_text(tpm::open(tpm.tcti())->create(KeyType::ec_p256).object));
  for (std::size_t size = 0; size < pem.size(); ++size)
    ASSERT_TRUE(throws_kind(ErrorKind::key_lost, [&] {
      tpm::from_pem(as_bytes(pem.substr(0, size)));
    })) << size;
  for (const std::string& text : {pem + '\n', pem + pem, '\n' + pem, "text before\n" + pem,
                                  ' ' + pem, pem + std::string(1, '\0')})
    EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] { tpm::from_pem(as_bytes(text)); }));
}

// Well-formed, of this very TPM and refused all the same: attributes, scheme, policy or parent
// aren't what we make.
TEST(TpmKeyFile, PublicAreasOfOtherShapesAreRefused) {
  HOLDFAST_REQUIRE_TPM();
  const TestTpm tpm;
  const auto backend = tpm::open(tpm.tcti());
  const tpm::KeyFile good = tpm::from_pem(backend->create(KeyType::ec_p256).object);
  const auto refused = [&](auto&& change) {
    tpm::KeyFile key = good;
    change(key.public_area.publicArea);
    const std::string pem = tpm::to_pem(key);
    return throws_kind(ErrorKind::key_lost,
                       [&] { backend->sign(as_bytes(pem), Algorithm::es256, Bytes(32, 1)); });
  };
  for (const TPMA_OBJECT attribute :
       {TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT, TPMA_OBJECT_NODA,
        TPMA_OBJECT_SENSITIVEDATAORIGIN, TPMA_OBJECT_USERWITHAUTH, TPMA_OBJECT_SIGN_ENCRYPT,
        TPMA_OBJECT_DECRYPT, TPMA_OBJECT_RESTRICTED})
    EXPECT_TRUE(refused([&](TPMT_PUBLIC& area) { area.objectAttributes ^= attribute; }))
        << attribute;
  EXPECT_TRUE(refused([](TPMT_PUBLIC& area) { area.nameAlg = TPM2_ALG_SHA384; }));
  EXPECT_TRUE(refused([](TPMT_PUBLIC& area) { area.authPolicy.size = 32; }));
  EXPECT_TRUE(
      refused([](TPMT_PUBLIC& area) { area.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384; }));
  EXPECT_TRUE(
      refused([](TPMT_PUBLIC& area) { area.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL; }));
  EXPECT_TRUE(refused([](TPMT_PUBLIC& area) { area.unique.ecc.x.buffer[5] ^= 1; }));
  tpm::KeyFile elsewhere = good;
  elsewhere.parent = 0x81000002;
  EXPECT_TRUE(
      throws_kind(ErrorKind::key_lost, [&] { tpm::from_pem(as_bytes(tpm::to_pem(elsewhere))); }));
}

}  // namespace
}  // namespace holdfast::test
