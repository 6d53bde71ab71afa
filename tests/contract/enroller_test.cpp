// What daemon/key/backend.h promises of an Enroller, over every device that is one.
#include "tests/contract/backend_test.h"
#include "tests/contract/crypto.h"

namespace holdfast::test {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EnrollerContract);

TEST_P(EnrollerContract, TakesAKeyByItsUriAndLeavesItOnTheDeviceWhenItIsRemoved) {
  const Sha256 digest = sha256("enrolled");
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048}) {
    const Algorithm algorithm = type == KeyType::ec_p256   ? Algorithm::es256
                                : type == KeyType::ec_p384 ? Algorithm::es384
                                                           : Algorithm::rs256;
    const Bytes input =
        type == KeyType::ec_p384 ? Bytes(48, 7) : Bytes(digest.begin(), digest.end());
    const DeviceKey there = backend_->create(type);
    const EnrolledKey key = enroller().enrol(as_text(there.object));
    EXPECT_EQ(key.type, type);
    EXPECT_TRUE(key.always_secret);
    EXPECT_EQ(key.key.public_key, there.public_key);
    EXPECT_TRUE(verifies(there.public_key, input, backend_->sign(key.key.object, algorithm, input),
                         algorithm));
    backend_->remove(key.key.object);
    reopen();
    EXPECT_TRUE(verifies(there.public_key, input, backend_->sign(key.key.object, algorithm, input),
                         algorithm));
  }
}

TEST_P(EnrollerContract, TakesASecret) {
  const DeviceKey there = backend_->import_secret(Secret(as_bytes("secret")));
  const EnrolledKey key = enroller().enrol(as_text(there.object));
  EXPECT_EQ(key.type, KeyType::hmac_sha256);
  EXPECT_TRUE(key.key.public_key.empty());
  EXPECT_FALSE(key.always_secret);
  EXPECT_EQ(hex_of(backend_->mac(key.key.object, {bytes_of("m")})),
            hex_of(hmac_sha256(as_bytes("secret"), as_bytes("m"))));
}

TEST_P(EnrollerContract, RefusesAUriThatIsMalformedFitsNothingSeveralOrAnotherToken) {
  backend_->create(KeyType::ec_p256);
  backend_->create(KeyType::ec_p256);
  for (const std::string& uri :
       {std::string(), std::string("key"), std::string("pkcs11:"), std::string("pkcs11:id=%"),
        std::string("pkcs11:id=%77"), std::string("pkcs11:object=holdfast"),
        std::string("pkcs11:token=other;object=holdfast"),
        "pkcs11:object=" + std::string(kMostUriBytes, 'x')})
    EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [&] { enroller().enrol(uri); })) << uri;
}

}  // namespace
}  // namespace holdfast::test
