// Threat 15: a token's PIN locked by a daemon that tries it again.
#include <p11-kit/pkcs11.h>

#include "pkcs11/backend.h"
#include "tests/contract/crypto.h"
#include "tests/support/hostile.h"
#include "tests/support/softhsm.h"

namespace holdfast::test {
namespace {

// Opens it until it is refused without a call of C_Login, as the device process does twice a second.
std::string reason_of_refusal(const std::string& pin) {
  try {
    Hostile::open(pin);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device_unavailable) << error.what();
    return error.detail();
  }
  return "none";
}

TEST(Pkcs11Pin, AWrongOneIsTriedOnceInTheLifeOfTheProcess) {
  const Hostile hostile;
  const int before = Hostile::calls("Login");
  for (int i = 0; i < 10; ++i) {
    EXPECT_NE(reason_of_refusal("wrong 1").find("refuse"), std::string::npos);
    Hostile::forget_wrong_pin();  // not even where the token doesn't count
  }
  EXPECT_EQ(Hostile::calls("Login"), before + 1);
  // Another one may be right.
  EXPECT_NO_THROW(Hostile::open());
  EXPECT_EQ(Hostile::calls("Login"), before + 2);
}

// Modules have many words for a wrong PIN, and a token need not show that it counts.
TEST(Pkcs11Pin, IsTriedOnceWhateverTheTokenAnswers) {
  for (const CK_RV rv : {CKR_PIN_INCORRECT, CKR_PIN_EXPIRED, CKR_DEVICE_ERROR, CKR_GENERAL_ERROR,
                         CKR_FUNCTION_FAILED, CKR_ENCRYPTED_DATA_INVALID, CKR_FUNCTION_REJECTED,
                         CKR_VENDOR_DEFINED | 7UL}) {
    SCOPED_TRACE(rv);
    const Hostile hostile;
    const std::string pin = "wrong " + std::to_string(rv);
    hostile.set("Login=rv:" + std::to_string(rv));
    const int before = Hostile::calls("Login");
    for (int i = 0; i < 3; ++i) EXPECT_ANY_THROW(Hostile::open(pin));
    EXPECT_EQ(Hostile::calls("Login"), before + 1);
  }
}

TEST(Pkcs11Pin, IsGivenAgainWhereNoneWasJudged) {
  const Hostile hostile;
  for (const CK_RV rv : {CKR_TOKEN_NOT_PRESENT, CKR_DEVICE_REMOVED}) {
    hostile.set("Login=rv:" + std::to_string(rv));
    try {
      Hostile::open();
      ADD_FAILURE() << rv;
    } catch (const Error& error) {
      EXPECT_NE(error.where(), "C_Login");
    }
    hostile.set("");
    EXPECT_NO_THROW(Hostile::open());
  }
}

TEST(Pkcs11Pin, NoneIsTriedWhereTheTokenCountsAFailure) {
  const Hostile hostile;
  const int before = Hostile::calls("Login");
  for (const char* const words : {"pin=low", "pin=final", "pin=locked"}) {
    hostile.set(words);
    const std::string reason = reason_of_refusal(Hostile::kPin);
    EXPECT_NE(reason.find("wrong"), std::string::npos) << reason;
  }
  EXPECT_EQ(Hostile::calls("Login"), before);
  hostile.set("");
  EXPECT_NO_THROW(Hostile::open());
}

TEST(Pkcs11Pin, ThatWasChangedIsTriedOnceByTheLadder) {
  const Hostile hostile;
  hostile.set("user_pin=before");
  const auto backend = Hostile::open("before");
  const DeviceKey key = backend->create(KeyType::ec_p256);
  const int before = Hostile::calls("Login");
  // The token closes all sessions, and the log-in with them.
  hostile.set("user_pin=after SignInit=rv:0xB3*1");
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable,
                            [&] { backend->sign(key.object, Algorithm::es256, Bytes(32, 1)); }));
    Hostile::forget_wrong_pin();
    EXPECT_NE(reason_of_refusal("before").find("refuse"), std::string::npos);
  }
  EXPECT_EQ(Hostile::calls("Login"), before + 1);
  Hostile::open("after")->remove(key.object);
}

TEST(Pkcs11Pin, IsNotGivenToAnotherTokenInThePlaceOfTheFirst) {
  const Hostile hostile;
  const auto backend = Hostile::open();
  const int before = Hostile::calls("Login");
  hostile.set("SignInit=rv:0xB3*1 serial=0002");
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable,
                          [&] { backend->import_secret(Secret(as_bytes("secret"))); }));
  EXPECT_EQ(Hostile::calls("Login"), before);
}

TEST(Pkcs11Pin, HasToBeThereWhereTheTokenDemandsOne) {
  const Hostile hostile;
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request, [] { Hostile::open(""); }));
}

TEST(Pkcs11Pin, AWrongOneForSoftHsmLeavesItUsableWithTheRightOne) {
  HOLDFAST_REQUIRE_SOFTHSM();
  const SoftHsm hsm;
  hsm.add("pin");
  const auto open = [](const char* pin) {
    return pkcs11::open({SoftHsm::module(), SoftHsm::uri("pin"), Secret(as_bytes(pin)), 0});
  };
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { open("000000"); }));
  // SoftHSM says CKF_USER_PIN_COUNT_LOW now, which the right PIN clears when somebody else gives it.
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { open(SoftHsm::kPin); }));
  must_run({"pkcs11-tool", "--module", SoftHsm::module(), "--token-label", "pin", "--login",
            "--pin", SoftHsm::kPin, "--list-objects"});
  EXPECT_NO_THROW(open(SoftHsm::kPin));
}

}  // namespace
}  // namespace holdfast::test
