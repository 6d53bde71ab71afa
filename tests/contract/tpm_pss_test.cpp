// PS256's salt: who judges it, judged by signatures of OpenSSL's own.
#include <tss2/tss2_tpm2_types.h>

#include "tests/contract/bus.h"
#include "tests/contract/crypto.h"
#include "tests/contract/test_tpm.h"
#include "tpm/backend.h"
#include "tpm/pss.h"

namespace holdfast::test {
namespace {

Bytes sign_pss(EVP_PKEY* key, const Sha256& digest, int salt) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key, nullptr));
  Bytes signature(256);
  std::size_t size = signature.size();
  if (EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), salt) != 1 ||
      EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), digest.size()) != 1)
    throw_openssl("EVP_PKEY_sign");
  return signature;
}

TEST(TpmPss, TakesTheDigestsLengthOfSaltAndNoOther) {
  const EvpPkey key = generate(KeyType::rsa_2048);
  const Sha256 digest = sha256("digest");
  EXPECT_TRUE(
      tpm::is_ps256(key.get(), digest, sign_pss(key.get(), digest, RSA_PSS_SALTLEN_DIGEST)));
  for (const int salt : {RSA_PSS_SALTLEN_MAX, 0, 20, 31, 33, 222})
    EXPECT_FALSE(tpm::is_ps256(key.get(), digest, sign_pss(key.get(), digest, salt))) << salt;
  EXPECT_FALSE(tpm::is_ps256(key.get(), sha256("another"), sign_pss(key.get(), digest, 32)));
  EXPECT_FALSE(tpm::is_ps256(key.get(), digest, Bytes(256, 1)));
  EXPECT_FALSE(tpm::is_ps256(key.get(), digest, {}));
}

// A TPM whose PSS signature isn't PS256, seen through a bus that exchanges it.
TEST(TpmPss, IsNotOfferedWhereTheTpmSaltsOtherwise) {
  HOLDFAST_REQUIRE_OWN_TPM("its answers are altered");
  const Swtpm tpm;
  Bus bus(tpm);
  const auto has_ps256 = [](const Backend& backend) {
    const auto& known = backend.describe().algorithms;
    return std::find(known.begin(), known.end(), Algorithm::ps256) != known.end();
  };
  EXPECT_TRUE(has_ps256(*tpm::open(bus.tcti())));
  // The probe is the only signature while a device is opened.
  bus.on_answer([](std::uint32_t code, Bytes& answer) {
    if (code == TPM2_CC_Sign && answer.size() > 256) answer[100] ^= 1;
  });
  const auto backend = tpm::open(bus.tcti());
  bus.on_answer({});
  EXPECT_FALSE(has_ps256(*backend));
  const DeviceKey key = backend->create(KeyType::rsa_2048);
  const Sha256 digest = sha256("digest");
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported,
                          [&] { backend->sign(key.object, Algorithm::ps256, digest); }));
  EXPECT_TRUE(verifies(key.public_key, digest, backend->sign(key.object, Algorithm::rs256, digest),
                       Algorithm::rs256));
}

}  // namespace
}  // namespace holdfast::test
