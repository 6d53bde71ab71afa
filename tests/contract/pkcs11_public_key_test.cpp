// What modules say of public keys.
#include "pkcs11/public_key.h"

#include <openssl/core_names.h>

#include "pkcs11/backend.h"
#include "tests/contract/crypto.h"
#include "tests/support/hostile.h"
#include "tests/support/softhsm.h"

namespace holdfast::test {
namespace {

Bytes point_of(EVP_PKEY* pair) {
  Bytes point(200);
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_get_octet_string_param(pair, OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                            point.size(), &size),
            1);
  point.resize(size);
  return point;
}

Bytes wrapped(std::uint8_t tag, Bytes content) {
  content.insert(content.begin(), {tag, static_cast<std::uint8_t>(content.size())});
  return content;
}

TEST(Pkcs11PublicKey, TakesAnEcPointWrappedOrBare) {
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384}) {
    const EvpPkey pair = generate(type);
    const Bytes point = point_of(pair.get());
    EXPECT_EQ(pkcs11::from_point(type, point), spki_of(pair.get()));
    EXPECT_EQ(pkcs11::from_point(type, wrapped(0x04, point)), spki_of(pair.get()));
  }
  const EvpPkey pair(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Bytes point = point_of(pair.get());
  EXPECT_EQ(pkcs11::from_point(KeyType::ed25519, point), spki_of(pair.get()));
  EXPECT_EQ(pkcs11::from_point(KeyType::ed25519, wrapped(0x04, point)), spki_of(pair.get()));
  Bytes bits = point;
  bits.insert(bits.begin(), 0);
  EXPECT_EQ(pkcs11::from_point(KeyType::ed25519, wrapped(0x03, bits)), spki_of(pair.get()));
}

TEST(Pkcs11PublicKey, RefusesWhatIsNoPointOfTheCurve) {
  const Bytes good = point_of(generate(KeyType::ec_p256).get());
  EXPECT_FALSE(pkcs11::from_point(KeyType::ec_p384, good));
  for (const std::size_t size : {0, 1, 2, 33, 64, 66, 67, 68})
    EXPECT_FALSE(pkcs11::from_point(KeyType::ec_p256, Bytes(size, 4))) << size;
  Bytes off = good;
  off.back() ^= 1;
  EXPECT_FALSE(pkcs11::from_point(KeyType::ec_p256, off));
  EXPECT_FALSE(pkcs11::from_point(KeyType::ec_p256, wrapped(0x04, off)));
  EXPECT_FALSE(pkcs11::from_point(KeyType::ec_p256, wrapped(0x05, good)));
}

TEST(Pkcs11PublicKey, RefusesAnRsaModulusOfAnotherSize) {
  Bytes modulus(256, 0xFF);
  EXPECT_FALSE(pkcs11::from_modulus(KeyType::rsa_3072, modulus, Bytes{1, 0, 1}));
  EXPECT_FALSE(pkcs11::from_modulus(KeyType::rsa_2048, Bytes(), Bytes{1, 0, 1}));
  EXPECT_FALSE(pkcs11::from_modulus(KeyType::rsa_2048, modulus, Bytes()));
  EXPECT_FALSE(pkcs11::from_modulus(KeyType::rsa_2048, modulus, Bytes(9, 1)));
}

TEST(Pkcs11PublicKey, AModuleThatGivesItBareIsUnderstood) {
  const Hostile hostile;
  const auto backend = Hostile::open();
  hostile.set("point=bare");
  const DeviceKey key = backend->create(KeyType::ec_p256);
  const Sha256 digest = sha256("message");
  EXPECT_TRUE(
      verifies(key.public_key, digest, backend->sign(key.object, Algorithm::es256, digest)));
  backend->remove(key.object);
}

TEST(Pkcs11PublicKey, AModuleThatGivesAnotherKeysIsRefusedAndNothingIsLeft) {
  const Hostile hostile;
  const auto backend = Hostile::open();
  const int before = Hostile::objects();
  hostile.set("point=other");
  EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] { backend->create(KeyType::ec_p256); }));
  EXPECT_EQ(Hostile::objects(), before);
}

// RFC 8032 §5.1: the message is signed, not a digest of it.
TEST(Pkcs11PublicKey, Ed25519SignsMessagesOfEverySize) {
  HOLDFAST_REQUIRE_SOFTHSM();
  const SoftHsm hsm;
  hsm.add("ed");
  const auto backend =
      pkcs11::open({SoftHsm::module(), SoftHsm::uri("ed"), Secret(as_bytes(SoftHsm::kPin)), 0});
  const auto& types = backend->describe().types;
  if (std::find(types.begin(), types.end(), KeyType::ed25519) == types.end())
    GTEST_SKIP() << "this SoftHSM was built without Ed25519";
  const DeviceKey key = backend->create(KeyType::ed25519);
  const EvpPkey judge = public_key_from_spki(key.public_key);
  for (const std::size_t size : {1, 32, 1000, 48'000}) {
    const Bytes message = random_bytes(size);
    const Bytes signature = backend->sign(key.object, Algorithm::eddsa, message);
    ASSERT_EQ(signature.size(), 64U);
    const EvpMdCtx context(EVP_MD_CTX_new());
    ASSERT_EQ(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, judge.get()), 1);
    EXPECT_EQ(EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                               message.size()),
              1)
        << size;
  }
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                          [&] { backend->sign(key.object, Algorithm::eddsa, Bytes(65'536)); }));
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                          [&] { backend->sign(key.object, Algorithm::es256, Bytes(32)); }));
}

}  // namespace
}  // namespace holdfast::test
