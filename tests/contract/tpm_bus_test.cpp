// Threat 14: something listens and writes between processor and TPM.
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>

#include "tests/contract/bus.h"
#include "tests/contract/crypto.h"
#include "tests/contract/root.h"
#include "tests/contract/test_tpm.h"
#include "tpm/backend.h"
#include "tpm/key_file.h"

namespace holdfast::test {
namespace {

constexpr std::string_view kSecret = "AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

bool holds(const Bytes& seen, ByteView part) {
  return std::search(seen.begin(), seen.end(), part.begin(), part.end()) != seen.end();
}

class TpmBus : public testing::Test {
 protected:
  void SetUp() override {
    HOLDFAST_REQUIRE_OWN_TPM("the bus is listened to");
    tpm_ = std::make_unique<Swtpm>();
    bus_ = std::make_unique<Bus>(*tpm_);
  }
  std::unique_ptr<Backend> open(tpm::Sessions sessions = tpm::Sessions::encrypted) {
    return tpm::open(bus_->tcti(), sessions);
  }
  static Bytes sign(Backend& backend, const DeviceKey& key) {
    return backend.sign(key.object, Algorithm::es256, sha256("digest"));
  }
  // Flips a bit of each answer to `code`, `from_end` bytes before its end.
  void spoil_answers(std::uint32_t code, std::size_t from_end) {
    bus_->on_answer([code, from_end](std::uint32_t to, Bytes& answer) {
      if (to == code && answer.size() > from_end) answer[answer.size() - 1 - from_end] ^= 1;
    });
  }

  std::unique_ptr<Swtpm> tpm_;
  std::unique_ptr<Bus> bus_;
};

// The control is plain sessions, where it does see the secret and the result.
TEST_F(TpmBus, SeesNoSecretNoResultAndNoAuthValue) {
  for (const tpm::Sessions sessions : {tpm::Sessions::plain, tpm::Sessions::encrypted}) {
    const bool plain = sessions == tpm::Sessions::plain;
    const auto backend = open(sessions);
    const DeviceKey key = backend->import_secret(Secret(as_bytes(kSecret)));
    const Secret result = backend->mac(key.object, {bytes_of("20260101")});
    const Bytes seen = bus_->seen();
    if (plain) {
      EXPECT_TRUE(holds(seen, as_bytes(kSecret)));
      EXPECT_TRUE(holds(seen, result.view()));
      bus_ = std::make_unique<Bus>(*tpm_);
      continue;
    }
    EXPECT_FALSE(holds(seen, as_bytes(kSecret)));
    EXPECT_FALSE(holds(seen, result.view()));
    EXPECT_FALSE(holds(seen, as_bytes("20260101")));
    const Bytes auth = tpm::from_pem(key.object).auth;
    ASSERT_EQ(auth.size(), tpm::kAuthBytes);
    EXPECT_FALSE(holds(seen, auth));
    EXPECT_FALSE(holds(seen, *from_hex(as_text(auth))));
  }
}

// In plain sessions too: the wrapper is made before the bus.
TEST_F(TpmBus, SeesNothingOfAnImportedPrivateKey) {
  for (const tpm::Sessions sessions : {tpm::Sessions::plain, tpm::Sessions::encrypted}) {
    const auto backend = open(sessions);
    const EvpPkey made = generate(KeyType::ec_p256);
    const Secret pkcs8 = pkcs8_of(made.get());
    const DeviceKey key = backend->import_private_key(KeyType::ec_p256, pkcs8);
    EXPECT_EQ(sign(*backend, key).size(), 64U);
    const Bytes seen = bus_->seen();
    EXPECT_TRUE(holds(seen, ByteView(key.public_key).last(32)));  // the control
    EXPECT_FALSE(holds(seen, pkcs8.view().subspan(36, 16)));
    EXPECT_FALSE(holds(seen, pkcs8.view().subspan(52, 16)));
    const Bytes auth = tpm::from_pem(key.object).auth;
    EXPECT_TRUE(auth.empty() || !holds(seen, auth));
  }
}

// A plain session's key with an auth value goes through an encrypted one all the same.
TEST_F(TpmBus, SeesNoAuthValueWherePlainSessionsAreTheRule) {
  const DeviceKey key = open()->create(KeyType::ec_p256);
  const auto backend = open(tpm::Sessions::plain);
  sign(*backend, key);
  EXPECT_FALSE(holds(bus_->seen(), tpm::from_pem(key.object).auth));
}

TEST_F(TpmBus, AnAlteredAnswerIsRefusedAndCalledThat) {
  const DeviceKey key = open()->create(KeyType::ec_p256);
  const DeviceKey secret = open()->import_secret(Secret(as_bytes(kSecret)));
  // In the parameters, the nonce, and the HMAC.
  for (const std::size_t from_end : {0, 40, 80}) {
    const auto altered = [&](std::uint32_t code, auto&& use) {
      bus_->on_answer({});
      const auto backend = open();
      spoil_answers(code, from_end);
      try {
        use(*backend);
        return testing::AssertionFailure() << "was taken";
      } catch (const Error& error) {
        const bool right = error.kind() == ErrorKind::device_unavailable &&
                           error.detail().find("altered on the way") != std::string::npos;
        return right ? testing::AssertionSuccess() : testing::AssertionFailure() << error.what();
      }
    };
    EXPECT_TRUE(altered(TPM2_CC_Sign, [&](Backend& backend) { sign(backend, key); }));
    EXPECT_TRUE(altered(TPM2_CC_Load, [&](Backend& backend) { sign(backend, key); }));
    EXPECT_TRUE(altered(TPM2_CC_HMAC,
                        [&](Backend& backend) { backend.mac(secret.object, {bytes_of("m")}); }));
    EXPECT_TRUE(
        altered(TPM2_CC_Create, [](Backend& backend) { backend.create(KeyType::ec_p256); }));
    EXPECT_TRUE(altered(TPM2_CC_Import, [](Backend& backend) {
      backend.import_private_key(KeyType::ec_p256, pkcs8_of(generate(KeyType::ec_p256).get()));
    }));
  }
  bus_->on_answer({});
  EXPECT_EQ(sign(*open(), key).size(), 64U);
}

// Esys_GetCapability takes it; read as what was asked for, its list would have no bound.
TEST_F(TpmBus, AnAnswerAboutAnotherCapabilityIsRefused) {
  for (const int which : {0, 1, 2, 3}) {
    int answers = 0;
    bus_->on_answer([&](std::uint32_t to, Bytes& answer) {
      if (to != TPM2_CC_GetCapability || answers++ != which) return;
      // Part 3 §30.2: moreData, then TPMS_CAPABILITY_DATA: the most commands that fit.
      answer = {0x80, 0x01, 0, 0, 0x04, 0x13, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0};
      answer.resize(answer.size() + 256 * sizeof(TPMA_CC), 0x01);
    });
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { open(tpm::Sessions::plain); }))
        << which;
    bus_->on_answer({});
    open(tpm::Sessions::plain);
  }
}

// Backend::sign promises the modulus' size.
TEST_F(TpmBus, AnRsaSignatureOfAnotherSizeIsRefused) {
  const auto backend = open(tpm::Sessions::plain);
  const DeviceKey key = backend->create(KeyType::rsa_2048);
  const auto sign_rsa = [&] { return backend->sign(key.object, Algorithm::rs256, sha256("d")); };
  EXPECT_EQ(sign_rsa().size(), 256U);
  bus_->on_answer([](std::uint32_t to, Bytes& answer) {
    if (to != TPM2_CC_Sign) return;
    // Part 1 §18: the whole size, the parameters' and the signature's, each with one byte less.
    for (const std::size_t low : {5, 13, 19})
      if (answer[low]-- == 0) --answer[low - 1];
    answer.erase(answer.begin() + 20);
  });
  EXPECT_TRUE(throws_kind(ErrorKind::internal, sign_rsa));
  bus_->on_answer({});
  EXPECT_EQ(sign_rsa().size(), 256U);
}

// Another digest than the daemon's would be signed if it could be exchanged.
TEST_F(TpmBus, AnAlteredCommandIsRefusedByTheTpm) {
  const DeviceKey key = open()->create(KeyType::ec_p256);
  const auto backend = open();
  sign(*backend, key);
  bus_->on_command([](std::uint32_t code, Bytes& command) {
    if (code == TPM2_CC_Sign) command[command.size() - 20] ^= 1;
  });
  EXPECT_THROW(sign(*backend, key), Error);
  bus_->on_command({});
  EXPECT_EQ(sign(*backend, key).size(), 64U);
}

// Who could exchange the root's public key would read the salt, and with it everything. Exchanged alone it
// does not fit the Name; exchanged with the Name it is another root, which the core refuses.
TEST_F(TpmBus, AnotherPublicKeyUnderTheRootsNameIsRefused) {
  const std::string name = open()->describe().parent_name;
  // Changes the point in answer number `which` to `code`; both coordinates have 32 bytes.
  const auto refuses = [&](std::uint32_t code, int which) {
    open();  // leaves nothing of the last attempt in the TPM
    int answers = 0;
    bool changed = false;
    bus_->on_answer([&](std::uint32_t to, Bytes& answer) {
      if (to != code || answers++ != which) return;
      for (std::size_t at = 10; at + 68 < answer.size() && !changed; ++at)
        if (answer[at] == 0 && answer[at + 1] == 32 && answer[at + 34] == 0 &&
            answer[at + 35] == 32) {
          answer[at + 10] ^= 1;
          changed = true;
        }
    });
    const auto refused = throws_kind(ErrorKind::device_unavailable, [&] { open(); });
    bus_->on_answer({});
    return changed ? refused : testing::AssertionFailure() << "there was no such answer";
  };
  EXPECT_TRUE(refuses(TPM2_CC_CreatePrimary, 0));
  EXPECT_TRUE(refuses(TPM2_CC_ReadPublic, 0));
  make_root_persistent(bus_->tcti());
  EXPECT_TRUE(refuses(TPM2_CC_ReadPublic, 0));
  EXPECT_TRUE(refuses(TPM2_CC_ReadPublic, 1));
  EXPECT_EQ(open()->describe().parent_name, name);
}

}  // namespace
}  // namespace holdfast::test
