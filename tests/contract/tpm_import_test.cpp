// What other programs can do with a key that was imported, and with one that has an auth value.
#include "tests/contract/crypto.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"
#include "tpm/key_file.h"

namespace holdfast::test {
namespace {

constexpr std::array kAsymmetric{KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048,
                                 KeyType::rsa_3072};

class TpmImport : public testing::TestWithParam<tpm::Sessions> {
 protected:
  void SetUp() override {
    HOLDFAST_REQUIRE_TPM();
    HOLDFAST_REQUIRE_TPM2_TOOLS();
    tpm_ = std::make_unique<TestTpm>();
    tools_ = std::make_unique<Tools>(tpm_->tcti());
    tools_->write("message", as_bytes("20260101"));
  }

  std::unique_ptr<Backend> open() const { return tpm::open(tpm_->tcti(), GetParam()); }

  // The value that authorises the use of the key, empty for none.
  static std::string auth_of(const DeviceKey& key) {
    return std::string(as_text(tpm::from_pem(key.object).auth));
  }

  DeviceKey import(KeyType type) {
    const EvpPkey made = generate(type);
    return open()->import_private_key(type, pkcs8_of(made.get()));
  }

  Outcome sign(const std::string& auth) {
    std::vector<std::string> command{"tpm2_sign", "-c",    "key.ctx", "-g",        "sha256",
                                     "-f",        "plain", "-o",      "signature", "message"};
    if (!auth.empty()) command.insert(command.end() - 1, {"-p", auth});
    return tools_->run(command);
  }

  // TPM2_Duplicate to nobody in particular, which would give the private part in clear.
  Outcome duplicate(const std::string& authorisation) {
    std::vector<std::string> command{"tpm2_duplicate", "-C", "null",    "-c", "key.ctx", "-G",
                                     "null",           "-r", "dup.prv", "-s", "dup.seed"};
    if (!authorisation.empty()) command.insert(command.end(), {"-p", authorisation});
    return tools_->run(command);
  }
  Outcome duplicate_by_policy(const std::vector<std::vector<std::string>>& steps) {
    tools_->must({"tpm2_startauthsession", "--policy-session", "-S", "session.ctx"});
    for (const auto& step : steps) tools_->must(step);
    Outcome outcome = duplicate("session:session.ctx");
    tools_->must({"tpm2_flushcontext", "session.ctx"});
    return outcome;
  }

  std::unique_ptr<TestTpm> tpm_;
  std::unique_ptr<Tools> tools_;
};

TEST_P(TpmImport, ImportedKeysSignInOtherProgramsWithTheirAuthValueAlone) {
  const DeviceKey key = import(KeyType::ec_p256);
  const std::string auth = auth_of(key);
  EXPECT_EQ(auth.empty(), GetParam() == tpm::Sessions::plain);
  tools_->write("key.pem", key.object);
  tools_->must({"tpm2_load", "-r", "key.pem", "-c", "key.ctx"});
  const Outcome signing = sign(auth);
  ASSERT_EQ(signing.status, 0) << signing.output;
  EXPECT_TRUE(verifies(key.public_key, sha256("20260101"),
                       ecdsa_der_to_raw(tools_->read("signature"), 32)));
  if (!auth.empty()) {
    EXPECT_NE(sign("").status, 0);
  }
  EXPECT_NE(sign("wrong").status, 0);
}

TEST_P(TpmImport, MadeKeysSignInOtherProgramsWithTheirAuthValueAlone) {
  const DeviceKey key = open()->create(KeyType::ec_p256);
  tools_->write("key.pem", key.object);
  tools_->must({"tpm2_load", "-r", "key.pem", "-c", "key.ctx"});
  ASSERT_EQ(sign(auth_of(key)).status, 0);
  EXPECT_TRUE(verifies(key.public_key, sha256("20260101"),
                       ecdsa_der_to_raw(tools_->read("signature"), 32)));
  EXPECT_NE(sign("wrong").status, 0);
}

TEST_P(TpmImport, OpensslSignsWithTheAuthValueAsPassphrase) {
  if (tools_->run({"openssl", "list", "-providers", "-provider", "tpm2"}).status != 0) {
    if (in_ci()) FAIL() << "OpenSSL's tpm2 provider is missing: install tpm2-openssl";
    GTEST_SKIP() << "OpenSSL's tpm2 provider is missing: install tpm2-openssl to run this test";
  }
  const DeviceKey key = import(KeyType::ec_p256);
  tools_->write("key.pem", key.object);
  const auto sign_with = [&](const std::string& auth) {
    return tools_->run({"openssl",      "pkeyutl",    "-provider",      "tpm2",    "-provider",
                        "default",      "-propquery", "?provider=tpm2", "-sign",   "-rawin",
                        "-digest",      "sha256",     "-inkey",         "key.pem", "-passin",
                        "pass:" + auth, "-in",        "message",        "-out",    "signature"});
  };
  const Outcome signing = sign_with(auth_of(key));
  ASSERT_EQ(signing.status, 0) << signing.output;
  EXPECT_TRUE(verifies(key.public_key, sha256("20260101"),
                       ecdsa_der_to_raw(tools_->read("signature"), 32)));
  if (GetParam() != tpm::Sessions::plain) {
    EXPECT_NE(sign_with("wrong").status, 0);
  }
}

// The control, a key made to be duplicated, is TpmInteroperability's.
TEST_P(TpmImport, DuplicationIsRefusedHoweverItIsAuthorised) {
  for (const KeyType type : kAsymmetric) {
    SCOPED_TRACE(to_string(type));
    const DeviceKey key = import(type);
    tools_->write("key.pem", key.object);
    tools_->must({"tpm2_load", "-r", "key.pem", "-c", "key.ctx"});
    tools_->must({"tpm2_readpublic", "-c", "key.ctx", "-f", "pem", "-o", "public.pem"});
    EXPECT_EQ(as_text(tools_->read("public.pem")), spki_to_pem(key.public_key));

    const std::vector<std::string> command_code{"tpm2_policycommandcode", "-S", "session.ctx",
                                                "TPM2_CC_Duplicate"};
    const std::vector<std::string> auth_value{"tpm2_policyauthvalue", "-S", "session.ctx"};
    const std::vector<std::string> password{"tpm2_policypassword", "-S", "session.ctx"};
    const std::string auth = auth_of(key);
    std::vector<Outcome> outcomes{duplicate(""),
                                  duplicate(auth),
                                  duplicate_by_policy({}),
                                  duplicate_by_policy({command_code}),
                                  duplicate_by_policy({auth_value, command_code}),
                                  duplicate_by_policy({password, command_code})};
    for (const Outcome& outcome : outcomes) {
      EXPECT_NE(outcome.status, 0);
      // The TPM's own words: an authorisation of the wrong kind, or a policy that isn't the key's.
      EXPECT_TRUE(outcome.output.find("0x124") != std::string::npos ||
                  outcome.output.find("0x99D") != std::string::npos)
          << outcome.output;
      EXPECT_FALSE(tools_->has("dup.prv"));
    }
    EXPECT_NE(tools_->run({"tpm2_unseal", "-c", "key.ctx", "-o", "clear"}).status, 0);
    EXPECT_FALSE(tools_->has("clear"));
  }
}

// An RSA root, as Windows and some firmware make it, takes private keys too: the seed then comes by OAEP.
TEST_P(TpmImport, WrapsForAnRsaRootToo) {
  tools_->must({"tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "rsa2048:aes128cfb", "-a",
                "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt",
                "-c", "srk.ctx"});
  tools_->must({"tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", "0x81000001"});
  const auto backend = open();
  for (const KeyType type : {KeyType::ec_p384, KeyType::rsa_2048}) {
    const EvpPkey made = generate(type);
    const DeviceKey key = backend->import_private_key(type, pkcs8_of(made.get()));
    EXPECT_EQ(tpm::from_pem(key.object).parent, tpm::kPersistentSrk);
    const Algorithm algorithm = type == KeyType::ec_p384 ? Algorithm::es384 : Algorithm::rs256;
    const Bytes digest = random_bytes(digest_bytes(algorithm));
    EXPECT_TRUE(
        verifies(key.public_key, digest, backend->sign(key.object, algorithm, digest), algorithm));
  }
}

INSTANTIATE_TEST_SUITE_P(Sessions, TpmImport,
                         testing::Values(tpm::Sessions::plain, tpm::Sessions::encrypted));

}  // namespace
}  // namespace holdfast::test
