#include "tests/contract/backend_test.h"

#include <gmock/gmock.h>

#include "tests/contract/crypto.h"

namespace holdfast::test {
namespace {

using testing::Contains;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BackendContract);

constexpr std::array kAllAlgorithms{Algorithm::es256, Algorithm::es384, Algorithm::rs256,
                                    Algorithm::ps256, Algorithm::eddsa};

// HMAC (RFC 2104) once more, by EVP_MAC, with the key as the owner knows it.
std::string software_mac(const Bytes& key, const std::vector<Bytes>& chain) {
  Bytes link = key;
  for (const Bytes& message : chain) {
    Bytes out(32);
    std::size_t size = 0;
    if (EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, link.data(), link.size(),
                  message.data(), message.size(), out.data(), out.size(), &size) == nullptr)
      throw_openssl("EVP_Q_mac");
    link = out;
  }
  return to_hex(link);
}

TEST_P(BackendContract, DescribesItself) {
  const DeviceDescription& device = backend_->describe();
  EXPECT_FALSE(device.backend.empty());
  EXPECT_FALSE(device.model.empty());
  EXPECT_TRUE(device.software);
  EXPECT_THAT(device.types, Contains(KeyType::ec_p256));
  EXPECT_THAT(device.types, Contains(KeyType::hmac_sha256));
  EXPECT_THAT(device.algorithms, Contains(Algorithm::es256));
  EXPECT_GE(device.commands_in_flight, 1U);
  EXPECT_EQ(device.lockout_counter, 0U);
  EXPECT_EQ(device.encrypted_sessions, GetParam().encrypted);
  EXPECT_FALSE(device.parent_name.empty());
}

TEST_P(BackendContract, NamesItsParentTheSameWheneverItIsOpenedAndUnlikeAnother) {
  const std::string name = backend_->describe().parent_name;
  reopen();
  EXPECT_EQ(backend_->describe().parent_name, name);
  EXPECT_NE(devices_->open_other()->describe().parent_name, name);
}

TEST_P(BackendContract, SignsSoThatOpensslVerifies) {
  const DeviceKey key = backend_->create(KeyType::ec_p256);
  ASSERT_FALSE(key.object.empty());
  for (int i = 0; i < 20; ++i) {
    const Sha256 digest = sha256("message " + std::to_string(i));
    const Bytes signature = backend_->sign(key.object, Algorithm::es256, digest);
    EXPECT_EQ(signature.size(), 64U);
    EXPECT_TRUE(verifies(key.public_key, digest, signature));
    EXPECT_FALSE(verifies(key.public_key, sha256("another"), signature));
  }
}

TEST_P(BackendContract, LetsItsOwnerWorkWhileItSigns) {
  const DeviceKey key = backend_->create(KeyType::ec_p256);
  const Sha256 digest = sha256("message");
  for (int i = 0; i < 2; ++i) {  // the first time it has to be loaded
    int calls = 0;
    const Bytes signature =
        backend_->sign(key.object, Algorithm::es256, digest, [&calls] { ++calls; });
    EXPECT_TRUE(verifies(key.public_key, digest, signature));
    EXPECT_GE(calls, 1);
  }
}

TEST_P(BackendContract, SignsAfterItWasOpenedAgain) {
  const DeviceKey key = backend_->create(KeyType::ec_p256);
  reopen();
  const Sha256 digest = sha256("later");
  EXPECT_TRUE(
      verifies(key.public_key, digest, backend_->sign(key.object, Algorithm::es256, digest)));
}

TEST_P(BackendContract, MakesAnotherKeyEachTime) {
  const DeviceKey one = backend_->create(KeyType::ec_p256);
  const DeviceKey two = backend_->create(KeyType::ec_p256);
  EXPECT_NE(one.object, two.object);
  EXPECT_NE(one.public_key, two.public_key);
  const Sha256 digest = sha256("one");
  EXPECT_FALSE(
      verifies(two.public_key, digest, backend_->sign(one.object, Algorithm::es256, digest)));
}

TEST_P(BackendContract, RefusesADigestOfAnotherSize) {
  const DeviceKey key = backend_->create(KeyType::ec_p256);
  for (const std::size_t size : {0, 1, 20, 31, 33, 48, 64, 4096})
    EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
      backend_->sign(key.object, Algorithm::es256, Bytes(size));
    })) << size;
}

TEST_P(BackendContract, RefusesAnAlgorithmThatTheDeviceLacks) {
  const DeviceKey key = backend_->create(KeyType::ec_p256);
  const auto& known = backend_->describe().algorithms;
  for (const Algorithm algorithm : kAllAlgorithms) {
    if (std::find(known.begin(), known.end(), algorithm) != known.end()) continue;
    EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] {
      backend_->sign(key.object, algorithm, Bytes(digest_bytes(algorithm)));
    })) << to_string(algorithm);
  }
}

TEST_P(BackendContract, RefusesWhatTheKeysTypeIsNotFor) {
  const DeviceKey ec = backend_->create(KeyType::ec_p256);
  const DeviceKey hmac = backend_->import_secret(Secret(as_bytes("secret")));
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                          [&] { backend_->sign(hmac.object, Algorithm::es256, Bytes(32)); }));
  EXPECT_TRUE(
      throws_kind(ErrorKind::invalid_request, [&] { backend_->mac(ec.object, {Bytes(32)}); }));
}

TEST_P(BackendContract, CreatesOnlyTypesThatItNames) {
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] { backend_->create(KeyType::hmac_sha256); }));
  const auto& known = backend_->describe().types;
  for (const KeyType type :
       {KeyType::ec_p384, KeyType::rsa_2048, KeyType::rsa_3072, KeyType::ed25519}) {
    if (std::find(known.begin(), known.end(), type) != known.end()) continue;
    EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] { backend_->create(type); }))
        << to_string(type);
  }
}

// RFC 4231 §4.2 to §4.8 but for case 5, whose output is truncated; case 6 and 7 have keys of 131
// bytes, more than we take.
TEST_P(BackendContract, MacsAsRfc4231Says) {
  struct Case {
    Bytes key, data;
    const char* mac;
  };
  const Case cases[] = {
      {Bytes(20, 0x0b), bytes_of("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {bytes_of("Jefe"), bytes_of("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {Bytes(20, 0xaa), Bytes(50, 0xdd),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {*from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), Bytes(50, 0xcd),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
  };
  for (const auto& [key, data, mac] : cases) {
    const DeviceKey made = backend_->import_secret(Secret(key));
    EXPECT_TRUE(made.public_key.empty());
    EXPECT_EQ(hex_of(backend_->mac(made.object, {data})), mac);
  }
}

// "Derive a signing key for Signature Version 4", AWS IAM User Guide: its worked example.
TEST_P(BackendContract, DerivesAnAwsSigningKey) {
  const DeviceKey key =
      backend_->import_secret(Secret(as_bytes("AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")));
  EXPECT_EQ(hex_of(backend_->mac(key.object, {bytes_of("20120215"), bytes_of("us-east-1"),
                                              bytes_of("iam"), bytes_of("aws4_request")})),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
}

TEST_P(BackendContract, MacsLikeSoftwareWithSecretsOfEverySize) {
  for (const std::size_t size : {1, 2, 31, 32, 33, 63, 64, 65, 100, 127, 128}) {
    const Bytes secret = random_bytes(size);
    const DeviceKey key = backend_->import_secret(Secret(secret));
    for (const std::size_t links : {1, 4, 8}) {
      std::vector<Bytes> chain;
      for (std::size_t i = 0; i < links; ++i) chain.push_back(random_bytes(1 + 13 * i));
      EXPECT_EQ(hex_of(backend_->mac(key.object, chain)), software_mac(secret, chain))
          << size << ' ' << links;
    }
  }
}

TEST_P(BackendContract, MacsTheShortestAndTheLongestMessage) {
  const Bytes secret = bytes_of("secret");
  const DeviceKey key = backend_->import_secret(Secret(secret));
  for (const std::size_t size : {0, 1, 64, 1023, 1024}) {
    const std::vector<Bytes> chain{Bytes(size, 0x5a), Bytes(size, 0xa5)};
    EXPECT_EQ(hex_of(backend_->mac(key.object, chain)), software_mac(secret, chain)) << size;
  }
}

TEST_P(BackendContract, RefusesChainsOutsideTheirBounds) {
  const DeviceKey key = backend_->import_secret(Secret(as_bytes("secret")));
  for (const auto& chain :
       {std::vector<Bytes>{}, std::vector<Bytes>(9, Bytes(1)), std::vector<Bytes>{Bytes(1025)},
        std::vector<Bytes>{Bytes(1), Bytes(1025)}})
    EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] { backend_->mac(key.object, chain); }));
}

TEST_P(BackendContract, RefusesSecretsOutsideTheirBounds) {
  for (const std::size_t size : {0, 129, 4096})
    EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] {
      backend_->import_secret(Secret(size));
    })) << size;
}

TEST_P(BackendContract, KeepsTwentyKeysApart) {
  std::vector<DeviceKey> signers, macs;
  for (int i = 0; i < 10; ++i) {
    signers.push_back(backend_->create(KeyType::ec_p256));
    macs.push_back(backend_->import_secret(Secret(as_bytes("secret " + std::to_string(i)))));
  }
  for (int round = 0; round < 3; ++round) {
    const Sha256 digest = sha256("round " + std::to_string(round));
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(verifies(signers[i].public_key, digest,
                           backend_->sign(signers[i].object, Algorithm::es256, digest)));
      EXPECT_EQ(hex_of(backend_->mac(macs[i].object, {bytes_of("message")})),
                software_mac(bytes_of("secret " + std::to_string(i)), {bytes_of("message")}));
    }
  }
}

TEST_P(BackendContract, CallsAGarbledObjectLost) {
  const Bytes good = backend_->create(KeyType::ec_p256).object;
  std::vector<Bytes> garbled{{},   Bytes(1), Bytes(32), bytes_of("garbage"), Bytes(100'000, 'A'),
                             good, good,     good};
  garbled[5].pop_back();
  garbled[6].push_back('\n');
  garbled[7][good.size() / 2] ^= 1;
  for (const Bytes& object : garbled) {
    EXPECT_TRUE(throws_kind(ErrorKind::key_lost,
                            [&] { backend_->sign(object, Algorithm::es256, Bytes(32)); }));
    EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] { backend_->mac(object, {Bytes(1)}); }));
  }
  EXPECT_NO_THROW(backend_->sign(good, Algorithm::es256, Bytes(32, 1)));
}

TEST_P(BackendContract, CallsAnotherDevicesObjectLost) {
  const auto other = devices_->open_other();
  const DeviceKey ec = other->create(KeyType::ec_p256);
  const DeviceKey hmac = other->import_secret(Secret(as_bytes("secret")));
  EXPECT_TRUE(throws_kind(ErrorKind::key_lost,
                          [&] { backend_->sign(ec.object, Algorithm::es256, Bytes(32)); }));
  EXPECT_TRUE(throws_kind(ErrorKind::key_lost, [&] { backend_->mac(hmac.object, {Bytes(1)}); }));
  EXPECT_NO_THROW(other->sign(ec.object, Algorithm::es256, Bytes(32, 1)));
}

TEST_P(BackendContract, RemovesAKeyTwiceAndLeavesTheOthers) {
  const DeviceKey gone = backend_->create(KeyType::ec_p256);
  const DeviceKey stays = backend_->create(KeyType::ec_p256);
  backend_->sign(gone.object, Algorithm::es256, Bytes(32, 1));
  backend_->remove(gone.object);
  backend_->remove(gone.object);
  const Sha256 digest = sha256("stays");
  EXPECT_TRUE(
      verifies(stays.public_key, digest, backend_->sign(stays.object, Algorithm::es256, digest)));
}

// A lost key can be deleted too.
TEST_P(BackendContract, RemovesWhatItDoesNotKnow) {
  EXPECT_NO_THROW(backend_->remove(bytes_of("garbage")));
  const DeviceKey foreign = devices_->open_other()->create(KeyType::ec_p256);
  EXPECT_NO_THROW(backend_->remove(foreign.object));
}

TEST_P(BackendContract, Answers) {
  backend_->check();
  EXPECT_EQ(backend_->describe().lockout_counter, 0U);
}

}  // namespace
}  // namespace holdfast::test
