// Every type of key, made by the device or elsewhere.
#include <openssl/bn.h>

#include <algorithm>
#include <string>

#include "tests/contract/backend_test.h"
#include "tests/contract/crypto.h"

namespace holdfast::test {
namespace {

constexpr std::array kAsymmetric{KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048,
                                 KeyType::rsa_3072};

std::size_t signature_bytes(KeyType type) {
  if (type == KeyType::ec_p256) return 64;
  if (type == KeyType::ec_p384) return 96;
  return type == KeyType::rsa_2048 ? 256 : 384;
}

void expect_signatures(Backend& backend, const DeviceKey& key, KeyType type) {
  for (const Algorithm algorithm : algorithms_of(type)) {
    SCOPED_TRACE(std::string(to_string(type)) + ' ' + std::string(to_string(algorithm)));
    for (int i = 0; i < 3; ++i) {
      const Bytes digest = random_bytes(digest_bytes(algorithm));
      const Bytes signature = backend.sign(key.object, algorithm, digest);
      EXPECT_EQ(signature.size(), signature_bytes(type));
      EXPECT_TRUE(verifies(key.public_key, digest, signature, algorithm));
      EXPECT_FALSE(verifies(key.public_key, random_bytes(digest.size()), signature, algorithm));
    }
  }
}

TEST_P(BackendContract, SignsWithEveryTypeThatItNames) {
  const auto& types = backend_->describe().types;
  for (const KeyType type : kAsymmetric) {
    ASSERT_NE(std::find(types.begin(), types.end(), type), types.end()) << to_string(type);
    const DeviceKey key = backend_->create(type);
    expect_signatures(*backend_, key, type);
    for (const Algorithm other : {Algorithm::es256, Algorithm::es384, Algorithm::rs256}) {
      const auto fits = algorithms_of(type);
      if (std::find(fits.begin(), fits.end(), other) != fits.end()) continue;
      EXPECT_TRUE(
          throws_kind(ErrorKind::invalid_request,
                      [&] { backend_->sign(key.object, other, Bytes(digest_bytes(other))); }))
          << to_string(type) << to_string(other);
    }
  }
}

// RFC 8032 §5.1: the message itself, here up to the largest.
TEST_P(BackendContract, SignsMessagesOfEverySizeWithEd25519WhereItNamesTheType) {
  const auto& types = backend_->describe().types;
  if (std::find(types.begin(), types.end(), KeyType::ed25519) == types.end()) {
    EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] { backend_->create(KeyType::ed25519); }));
    return;
  }
  const DeviceKey key = backend_->create(KeyType::ed25519);
  for (const std::size_t size : {std::size_t{1}, std::size_t{64}, std::size_t{65},
                                 std::size_t{24 * 1024}, kMostEddsaMessageBytes}) {
    const Bytes message = random_bytes(size);
    const Bytes signature = backend_->sign(key.object, Algorithm::eddsa, message);
    EXPECT_EQ(signature.size(), 64U);
    EXPECT_TRUE(verifies(key.public_key, message, signature, Algorithm::eddsa)) << size;
    // Not random: one byte in 256 would be the message again.
    Bytes altered = message;
    altered.back() ^= 1;
    EXPECT_FALSE(verifies(key.public_key, altered, signature, Algorithm::eddsa)) << size;
  }
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
    backend_->sign(key.object, Algorithm::eddsa, Bytes(kMostEddsaMessageBytes + 1));
  }));
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                          [&] { backend_->sign(key.object, Algorithm::es256, Bytes(32)); }));
  const DeviceKey other = backend_->create(KeyType::ec_p256);
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                          [&] { backend_->sign(other.object, Algorithm::eddsa, Bytes(32)); }));
}

TEST_P(BackendContract, SignsWithImportedKeysOfEveryTypeBeforeAndAfterItWasOpenedAgain) {
  std::vector<std::pair<KeyType, DeviceKey>> keys;
  for (const KeyType type : kAsymmetric) {
    const EvpPkey made = generate(type);
    DeviceKey key = backend_->import_private_key(type, pkcs8_of(made.get()));
    EXPECT_EQ(key.public_key, spki_of(made.get()));
    expect_signatures(*backend_, key, type);
    keys.emplace_back(type, std::move(key));
  }
  reopen();
  for (const auto& [type, key] : keys) expect_signatures(*backend_, key, type);
}

// A number with a leading zero byte is one in 256: coordinates, the private number, the wrapper's own.
TEST_P(BackendContract, ImportsKeysWhosePartsBeginWithZeros) {
  int imported = 0;
  for (int i = 0; i < 4000 && imported < 8; ++i) {
    const EvpPkey made = generate(KeyType::ec_p256);
    const Bytes spki = spki_of(made.get());
    const Secret pkcs8 = pkcs8_of(made.get());
    // PrivateKeyInfo of P-256: 36 bytes before the private number. SubjectPublicKeyInfo: the point is last.
    if (spki[spki.size() - 64] != 0 && spki[spki.size() - 32] != 0 && pkcs8.view()[36] != 0)
      continue;
    ++imported;
    const DeviceKey key = backend_->import_private_key(KeyType::ec_p256, pkcs8);
    const Sha256 digest = sha256("zeros");
    EXPECT_TRUE(
        verifies(key.public_key, digest, backend_->sign(key.object, Algorithm::es256, digest)));
  }
  EXPECT_EQ(imported, 8);
}

TEST_P(BackendContract, RefusesAPrivateKeyOfAnotherType) {
  for (const KeyType have : {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048})
    for (const KeyType say : kAsymmetric) {
      if (have == say) continue;
      const Secret pkcs8 = pkcs8_of(generate(have).get());
      EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                              [&] { backend_->import_private_key(say, pkcs8); }))
          << to_string(have) << ' ' << to_string(say);
    }
  const Secret pkcs8 = pkcs8_of(generate(KeyType::ec_p256).get());
  for (const KeyType say : {KeyType::hmac_sha256, KeyType::ed25519})
    EXPECT_TRUE(
        throws_kind(ErrorKind::unsupported, [&] { backend_->import_private_key(say, pkcs8); }));
  const EvpPkey secp256k1(EVP_EC_gen("secp256k1"));
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
    backend_->import_private_key(KeyType::ec_p256, pkcs8_of(secp256k1.get()));
  }));
}

TEST_P(BackendContract, RefusesAnRsaKeyWithAnotherExponent) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  BIGNUM* three = BN_new();
  BN_set_word(three, 3);
  EVP_PKEY* raw = nullptr;
  ASSERT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context.get(), three), 1);
  ASSERT_EQ(EVP_PKEY_generate(context.get(), &raw), 1);
  const EvpPkey key(raw);
  BN_free(three);
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
    backend_->import_private_key(KeyType::rsa_2048, pkcs8_of(key.get()));
  }));
}

TEST_P(BackendContract, RefusesWhatIsNoPrivateKeyInfo) {
  const Secret good = pkcs8_of(generate(KeyType::ec_p256).get());
  std::vector<Bytes> bad{
      {}, Bytes(1), bytes_of("-----BEGIN PRIVATE KEY-----"), Bytes(4096, 0x30), Bytes(4097, 0x30)};
  for (const std::size_t size : {std::size_t{1}, good.size() / 2, good.size() - 1})
    bad.emplace_back(good.view().begin(), good.view().begin() + static_cast<long>(size));
  bad.emplace_back(good.view().begin(), good.view().end());
  bad.back().push_back(0);
  // Another public point than the private number's.
  bad.emplace_back(good.view().begin(), good.view().end());
  bad.back()[40] ^= 1;
  for (const Bytes& pkcs8 : bad)
    EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
      backend_->import_private_key(KeyType::ec_p256, Secret(pkcs8));
    })) << pkcs8.size();
}

}  // namespace
}  // namespace holdfast::test
