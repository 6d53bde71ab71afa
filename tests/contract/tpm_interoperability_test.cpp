// Our key files under other programs' hands.
#include "tests/contract/crypto.h"
#include "tests/contract/tools.h"
#include "tpm/backend.h"
#include "tpm/key_file.h"

namespace holdfast::test {
namespace {

class TpmInteroperability : public testing::Test {
 protected:
  void SetUp() override {
    HOLDFAST_REQUIRE_TPM();
    HOLDFAST_REQUIRE_TPM2_TOOLS();
    tpm_ = std::make_unique<TestTpm>();
    tools_ = std::make_unique<Tools>(tpm_->tcti());
    make_keys();
  }

  void make_keys() {
    const auto backend = tpm::open(tpm_->tcti());
    ec_ = backend->create(KeyType::ec_p256);
    hmac_ = backend->import_secret(Secret(as_bytes("AWS4secret")));
    tools_->write("ec.pem", ec_.object);
    tools_->write("hmac.pem", hmac_.object);
    tools_->write("message", as_bytes("20260101"));
  }

  void sign_with_openssl() {
    if (tools_->run({"openssl", "list", "-providers", "-provider", "tpm2"}).status != 0) {
      if (in_ci()) FAIL() << "OpenSSL's tpm2 provider is missing: install tpm2-openssl";
      GTEST_SKIP() << "OpenSSL's tpm2 provider is missing: install tpm2-openssl to run this test";
    }
    tools_->must({"openssl", "pkeyutl", "-provider", "tpm2", "-provider", "default", "-propquery",
                  "?provider=tpm2", "-sign", "-rawin", "-digest", "sha256", "-inkey", "ec.pem",
                  "-in", "message", "-out", "signature"});
    EXPECT_TRUE(verifies(ec_.public_key, sha256("20260101"),
                         ecdsa_der_to_raw(tools_->read("signature"), 32)));
  }

  std::unique_ptr<TestTpm> tpm_;
  std::unique_ptr<Tools> tools_;
  DeviceKey ec_, hmac_;
};

TEST_F(TpmInteroperability, Tpm2ToolsLoadBothKindsOfKey) {
  tools_->must({"tpm2_load", "-r", "ec.pem", "-c", "ec.ctx"});
  tools_->must({"tpm2_sign", "-c", "ec.ctx", "-g", "sha256", "-s", "ecdsa", "-f", "plain", "-o",
                "signature", "message"});
  EXPECT_TRUE(verifies(ec_.public_key, sha256("20260101"),
                       ecdsa_der_to_raw(tools_->read("signature"), 32)));

  tools_->must({"tpm2_load", "-r", "hmac.pem", "-c", "hmac.ctx"});
  tools_->must({"tpm2_hmac", "-c", "hmac.ctx", "-o", "mac", "message"});
  EXPECT_EQ(to_hex(tools_->read("mac")),
            hex_of(hmac_sha256(as_bytes("AWS4secret"), as_bytes("20260101"))));
}

TEST_F(TpmInteroperability, OpensslSignsThroughItsTpm2Provider) {
  sign_with_openssl();
}

// A machine whose firmware or systemd made the storage root key persistent: the file then names it.
TEST_F(TpmInteroperability, KeysBelowAPersistentRootLoadEverywhereToo) {
  tools_->must({"tpm2_createprimary", "-C", "o", "-g", "sha256", "-G", "ecc256:aes128cfb", "-a",
                "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt",
                "-c", "srk.ctx"});
  tools_->must({"tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", "0x81000001"});
  make_keys();
  EXPECT_EQ(tpm::from_pem(ec_.object).parent, tpm::kPersistentSrk);
  tools_->must({"tpm2_load", "-r", "ec.pem", "-c", "ec.ctx"});
  sign_with_openssl();
}

// Whatever lies there must be able to protect us from lockout and export before we build on it.
TEST_F(TpmInteroperability, APersistentKeyUnderLockoutIsNotTakenForTheRoot) {
  const std::string name = tpm::open(tpm_->tcti())->describe().parent_name;
  tools_->must({"tpm2_createprimary", "-C", "o", "-c", "other.ctx"});
  tools_->must({"tpm2_evictcontrol", "-C", "o", "-c", "other.ctx", "0x81000001"});
  const auto backend = tpm::open(tpm_->tcti());
  EXPECT_EQ(backend->describe().parent_name, name);
  EXPECT_NO_THROW(backend->sign(ec_.object, Algorithm::es256, Bytes(32, 1)));
}

// The control is a key made to be duplicated, which the same commands do duplicate.
TEST_F(TpmInteroperability, DuplicationIsRefused) {
  const auto duplicate = [&](const std::string& key) {
    tools_->must({"tpm2_startauthsession", "--policy-session", "-S", "session.ctx"});
    tools_->must(
        {"tpm2_policycommandcode", "-S", "session.ctx", "-L", "policy", "TPM2_CC_Duplicate"});
    Outcome outcome = tools_->run({"tpm2_duplicate", "-C", "null", "-c", key, "-G", "null", "-p",
                                   "session:session.ctx", "-r", key + ".out", "-s", key + ".seed"});
    tools_->must({"tpm2_flushcontext", "session.ctx"});
    return outcome;
  };
  tools_->must({"tpm2_load", "-r", "ec.pem", "-c", "ec.ctx"});
  tools_->must({"tpm2_load", "-r", "hmac.pem", "-c", "hmac.ctx"});
  for (const char* key : {"ec.ctx", "hmac.ctx"}) {
    const Outcome outcome = duplicate(key);
    EXPECT_NE(outcome.status, 0) << key;
    EXPECT_NE(outcome.output.find("tpm:"), std::string::npos)
        << outcome.output;  // the TPM's own word
    EXPECT_FALSE(tools_->has(std::string(key) + ".out"));
  }

  tools_->must({"tpm2_createprimary", "-C", "o", "-c", "primary.ctx"});
  tools_->must({"tpm2_create", "-C", "primary.ctx", "-G", "ecc", "-L", "policy", "-a",
                "sensitivedataorigin|userwithauth|sign", "-u", "free.pub", "-r", "free.prv", "-c",
                "free.ctx"});
  EXPECT_EQ(duplicate("free.ctx").status, 0);
  EXPECT_TRUE(tools_->has("free.ctx.out"));
}

}  // namespace
}  // namespace holdfast::test
