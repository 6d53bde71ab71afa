// Keys that were on the token before: found by their URI, judged, left where they are.
#include "pkcs11/backend.h"
#include "tests/contract/crypto.h"
#include "tests/contract/tokens.h"
#include "tests/support/hostile.h"

namespace holdfast::test {
namespace {

class Pkcs11Enrol : public testing::Test {
 protected:
  void SetUp() override {
    HOLDFAST_REQUIRE_SOFTHSM();
    hsm_ = std::make_unique<SoftHsm>();
    hsm_->add("enrol");
    hsm_->add("other");
    backend_ = pkcs11::open(
        {SoftHsm::module(), SoftHsm::uri("enrol"), Secret(as_bytes(SoftHsm::kPin)), 0});
    foreign_ = std::make_unique<ForeignSession>("enrol");
  }
  void TearDown() override {
    foreign_.reset();
    backend_.reset();
  }

  EnrolledKey enrol(const std::string& uri) {
    return dynamic_cast<Enroller&>(*backend_).enrol(uri);
  }
  // The text of the Error of `kind` that it throws.
  std::string refusal(ErrorKind kind, const std::string& uri) {
    try {
      enrol(uri);
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.kind()), to_string(kind)) << error.what();
      return error.detail();
    }
    ADD_FAILURE() << uri << " was enrolled";
    return {};
  }
  EvpPkey add(ByteView id, Weakness weakness = {}) {
    EvpPkey pair = generate(KeyType::ec_p256);
    foreign_->create(foreign_private_key(pair.get(), id, weakness));
    foreign_->create(foreign_public_key(pair.get(), id));
    return pair;
  }
  Bytes sign(const DeviceKey& key) {
    return backend_->sign(key.object, Algorithm::es256, sha256("message"));
  }

  std::unique_ptr<SoftHsm> hsm_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<ForeignSession> foreign_;
};

TEST_F(Pkcs11Enrol, FindsAKeyByIdOrLabelAndSignsWithItBeforeAndAfterItWasOpenedAgain) {
  const EvpPkey pair = add(bytes_of("\x01"));
  for (const char* const uri :
       {"pkcs11:id=%01", "pkcs11:object=foreign", "pkcs11:token=enrol;id=%01;type=private",
        "pkcs11:token=enrol;manufacturer=SoftHSM%20project;object=foreign;type=private"}) {
    const EnrolledKey key = enrol(uri);
    EXPECT_EQ(key.type, KeyType::ec_p256);
    EXPECT_EQ(key.key.public_key, spki_of(pair.get()));
    EXPECT_FALSE(key.always_secret);  // it came from outside
    EXPECT_TRUE(verifies(key.key.public_key, sha256("message"), sign(key.key)));
  }
  const EnrolledKey key = enrol("pkcs11:id=%01");
  foreign_.reset();
  backend_.reset();
  backend_ =
      pkcs11::open({SoftHsm::module(), SoftHsm::uri("enrol"), Secret(as_bytes(SoftHsm::kPin)), 0});
  EXPECT_TRUE(verifies(key.key.public_key, sha256("message"), sign(key.key)));
}

TEST_F(Pkcs11Enrol, LeavesTheKeyOnTheTokenWhenItIsRemoved) {
  add(bytes_of("\x01"));
  const EnrolledKey key = enrol("pkcs11:id=%01");
  backend_->remove(key.key.object);
  EXPECT_EQ(foreign_->count(bytes_of("\x01")), 2U);
  EXPECT_TRUE(verifies(key.key.public_key, sha256("message"), sign(key.key)));
}

TEST_F(Pkcs11Enrol, RemovesWhatWasMadeAndNothingElse) {
  add(bytes_of("\x01"));
  const DeviceKey made = backend_->create(KeyType::ec_p256);
  const std::string text(as_text(made.object));
  std::string hex = text.substr(10, 48);
  std::erase(hex, '%');
  const Bytes id = from_hex(hex).value();
  EXPECT_EQ(foreign_->count(id), 2U);
  backend_->remove(made.object);
  EXPECT_EQ(foreign_->count(id), 0U);
  EXPECT_EQ(foreign_->count(bytes_of("\x01")), 2U);
  EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] { sign(made); }));
}

TEST_F(Pkcs11Enrol, SaysOfAKeyMadeOnTheTokenThatItWasAlwaysSecret) {
  const DeviceKey made = backend_->create(KeyType::rsa_2048);
  const std::string uri(as_text(made.object));  // our own names are URIs
  const EnrolledKey key = enrol(uri);
  EXPECT_EQ(key.type, KeyType::rsa_2048);
  EXPECT_TRUE(key.always_secret);
  EXPECT_EQ(key.key.public_key, made.public_key);
  EXPECT_NE(key.key.object, made.object);
}

TEST_F(Pkcs11Enrol, TakesASecretKeyToo) {
  const DeviceKey made = backend_->import_secret(Secret(as_bytes("secret")));
  const EnrolledKey key = enrol(std::string(as_text(made.object)));
  EXPECT_EQ(key.type, KeyType::hmac_sha256);
  EXPECT_EQ(hex_of(backend_->mac(key.key.object, {bytes_of("m")})),
            hex_of(hmac_sha256(as_bytes("secret"), as_bytes("m"))));
}

TEST_F(Pkcs11Enrol, RefusesAUriThatFitsNoneOrSeveral) {
  add(bytes_of("\x01"));
  add(bytes_of("\x02"));
  EXPECT_NE(refusal(ErrorKind::invalid_request, "pkcs11:id=%03").find("no private or secret key"),
            std::string::npos);
  EXPECT_NE(refusal(ErrorKind::invalid_request, "pkcs11:object=foreign").find("2 keys"),
            std::string::npos);
  EXPECT_NE(refusal(ErrorKind::invalid_request, "pkcs11:token=other;id=%01").find("another token"),
            std::string::npos);
  EXPECT_NE(refusal(ErrorKind::invalid_request, "pkcs11:token=enrol").find("names no key"),
            std::string::npos);
  add(bytes_of("\x01"));
  refusal(ErrorKind::invalid_request, "pkcs11:id=%01");
}

TEST_F(Pkcs11Enrol, RefusesWhatIsNoUriOfAKey) {
  for (const std::string& uri :
       {std::string(""), std::string("id=%01"), std::string("pkcs11:id=%0"),
        std::string("pkcs11:what=ever;id=%01"), std::string("pkcs11:id=%01;slot-id=0"),
        std::string("pkcs11:id=%01?pin-value=1234"), std::string("pkcs11:id=%01?pin-source=/pin"),
        std::string("pkcs11:id=%01?module-path=/m.so"), std::string("pkcs11:id=%01\0", 14),
        "pkcs11:object=" + std::string(kMostUriBytes, 'x')})
    refusal(ErrorKind::invalid_request, uri);
}

// Threat 16: of the eight combinations one is taken.
TEST_F(Pkcs11Enrol, TakesOneCombinationOfSensitiveExtractableAndSign) {
  int taken = 0;
  for (int bits = 0; bits < 8; ++bits) {
    const Weakness weakness{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    const Bytes id{static_cast<std::uint8_t>(0x10 + bits)};
    add(id, weakness);
    const std::string uri = "pkcs11:id=%1" + std::to_string(bits);
    if (weakness.sensitive && !weakness.extractable && weakness.sign) {
      EXPECT_NO_THROW(enrol(uri));
      ++taken;
      continue;
    }
    const std::string reason = refusal(ErrorKind::conflict, uri);
    const std::string expected = !weakness.sensitive    ? "CKA_SENSITIVE has to be true"
                                 : weakness.extractable ? "CKA_EXTRACTABLE has to be false"
                                                        : "CKA_SIGN has to be true";
    EXPECT_NE(reason.find(expected), std::string::npos) << reason;
  }
  EXPECT_EQ(taken, 1);
}

// What we make has no other use than signing.
TEST_F(Pkcs11Enrol, KeysOfOursOnlySign) {
  const EvpPkey pair = generate(KeyType::rsa_2048);
  const std::pair<DeviceKey, bool> keys[] = {
      {backend_->create(KeyType::ec_p256), true},
      {backend_->create(KeyType::rsa_2048), true},
      {backend_->import_private_key(KeyType::rsa_2048, pkcs8_of(pair.get())), false},
      {backend_->import_secret(Secret(as_bytes("secret"))), false}};
  for (const auto& [key, made_there] : keys) {
    std::string hex = std::string(as_text(key.object)).substr(10, 48);
    std::erase(hex, '%');
    const Bytes id = from_hex(hex).value();
    for (const CK_ATTRIBUTE_TYPE on : {CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN})
      EXPECT_TRUE(foreign_->flag(id, on)) << on;
    for (const CK_ATTRIBUTE_TYPE off : {CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE})
      EXPECT_FALSE(foreign_->flag(id, off)) << off;
    for (const CK_ATTRIBUTE_TYPE history : {CKA_LOCAL, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE})
      EXPECT_EQ(foreign_->flag(id, history), made_there) << history;
  }
}

TEST_F(Pkcs11Enrol, DemandsThePublicPart) {
  const EvpPkey pair = generate(KeyType::ec_p256);
  foreign_->create(foreign_private_key(pair.get(), bytes_of("\x01")));
  EXPECT_NE(refusal(ErrorKind::conflict, "pkcs11:id=%01").find("public part"), std::string::npos);
  // Another key's is found by the first signature.
  foreign_->create(foreign_public_key(generate(KeyType::ec_p256).get(), bytes_of("\x01")));
  refusal(ErrorKind::internal, "pkcs11:id=%01");
}

TEST(Pkcs11Name, AnyOtherSpellingOfAKeysNameIsLost) {
  const Hostile hostile;
  const auto backend = Hostile::open();
  const DeviceKey made = backend->create(KeyType::ec_p256);
  const DeviceKey enrolled = dynamic_cast<Enroller&>(*backend).enrol(Hostile::kWellKnown).key;
  const auto lost = [&](const Bytes& object) {
    return throws_kind(ErrorKind::key_lost,
                       [&] { backend->sign(object, Algorithm::es256, Bytes(32, 1)); });
  };
  for (const Bytes& good : {made.object, enrolled.object}) {
    EXPECT_NO_THROW(backend->sign(good, Algorithm::es256, Bytes(32, 1)));
    for (std::size_t i = 0; i < good.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        Bytes flipped = good;
        flipped[i] ^= static_cast<std::uint8_t>(1 << bit);
        EXPECT_TRUE(lost(flipped)) << as_text(flipped);
      }
      Bytes shorter = good, longer = good;
      shorter.erase(shorter.begin() + static_cast<long>(i));
      longer.insert(longer.begin() + static_cast<long>(i), '%');
      EXPECT_TRUE(lost(shorter)) << as_text(shorter);
      EXPECT_TRUE(lost(longer)) << as_text(longer);
    }
  }
  backend->remove(made.object);
}

}  // namespace
}  // namespace holdfast::test
