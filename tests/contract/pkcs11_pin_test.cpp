// Threat 15: a token's PIN locked by a daemon that tries it again.
#include <p11-kit/pkcs11.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "pkcs11/backend.h"
#include "tests/contract/crypto.h"
#include "tests/support/folder.h"
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

// The mark of one device, and its processes, one after the other.
class Pkcs11PinMark : public testing::Test {
 protected:
  // A process whose end in C_Login, as by a crash or a loss of power, is its own.
  void end_in_login() const {
    hostile_.set("Login=exit trace=" + trace());
    const pid_t child = ::fork();
    if (child == 0) {
      refusal();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
  }

  std::unique_ptr<Backend> open(const std::string& pin = Hostile::kPin,
                                const std::string& on_record = {}) const {
    return pkcs11::open({.module = Hostile::module(),
                         .uri = Hostile::kUri,
                         .pin = Secret(as_bytes(pin)),
                         .name = "hsm",
                         .on_record = on_record,
                         .mark = std::make_shared<const PinMark>(PinMark::at(path()))});
  }

  std::string refusal(const std::string& pin = Hostile::kPin) const {
    try {
      open(pin);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }

  PinMark::Word mark() const { return PinMark::at(path()).read(); }
  void set_mark(PinMark::Word word) const { PinMark::at(path()).write(word); }
  std::string path() const { return folder_ / "mark"; }
  std::string trace() const { return folder_ / "trace"; }

  int logins() const {
    std::ifstream lines(trace());
    int count = 0;
    for (std::string line; std::getline(lines, line);) count += line == "Login" ? 1 : 0;
    return count;
  }

  const Hostile hostile_;
  const Folder folder_;
};

TEST_F(Pkcs11PinMark, OfARefusedPinForbidsAnyUntilAnAdministratorSaysSo) {
  EXPECT_NE(refusal("wrong again").find("holdfast device accept hsm"), std::string::npos);
  EXPECT_EQ(mark(), PinMark::Word::refused);
  Hostile::forget_wrong_pin();
  const int before = Hostile::calls("Login");
  EXPECT_NE(refusal().find("holdfast device accept hsm"), std::string::npos);
  EXPECT_EQ(Hostile::calls("Login"), before);
  set_mark(PinMark::Word::accepted);
  hostile_.set("pin=low");  // of the try before
  EXPECT_NO_THROW(open());
  EXPECT_EQ(Hostile::calls("Login"), before + 1);
  EXPECT_EQ(mark(), PinMark::Word::none);
}

TEST_F(Pkcs11PinMark, AcceptedAllowsOneTryAndNoneThatWouldLockTheToken) {
  set_mark(PinMark::Word::accepted);
  const int before = Hostile::calls("Login");
  for (const char* const words : {"pin=final", "pin=locked"}) {
    hostile_.set(words);
    EXPECT_NE(refusal(), "") << words;
  }
  EXPECT_EQ(Hostile::calls("Login"), before);
  hostile_.set("");
  EXPECT_NE(refusal("wrong once more"), "");
  EXPECT_EQ(mark(), PinMark::Word::refused);
  EXPECT_EQ(Hostile::calls("Login"), before + 1);
}

TEST_F(Pkcs11PinMark, OfATryWithoutAnEndAllowsOneMore) {
  end_in_login();
  EXPECT_EQ(mark(), PinMark::Word::begun);
  hostile_.set("");
  EXPECT_NO_THROW(open());
  EXPECT_EQ(mark(), PinMark::Word::none);
}

TEST_F(Pkcs11PinMark, OfTwoTriesWithoutAnEndForbidsAny) {
  for (int i = 0; i < 5; ++i) end_in_login();
  EXPECT_EQ(logins(), 2);
  hostile_.set("");
  EXPECT_NE(refusal().find("holdfast device accept hsm"), std::string::npos);
}

TEST_F(Pkcs11PinMark, StaysAsItWasWhereNoPinWasJudged) {
  hostile_.set("Login=rv:0xE0");
  for (int i = 0; i < 3; ++i) EXPECT_NE(refusal(), "");
  EXPECT_EQ(mark(), PinMark::Word::none);
}

TEST_F(Pkcs11PinMark, IsWrittenForAKeyThatIsGivenThePinEachTime) {
  hostile_.set("always=yes user_pin=first");
  const auto backend = open("first");
  const DeviceKey key = backend->create(KeyType::ec_p256);
  hostile_.set("always=yes user_pin=second");
  EXPECT_ANY_THROW(backend->sign(key.object, Algorithm::es256, Bytes(32, 1)));
  EXPECT_EQ(mark(), PinMark::Word::refused);
  hostile_.set("");
  backend->remove(key.object);
}

TEST_F(Pkcs11PinMark, ATokenThatIsNotTheOneOnRecordIsDescribedAndGivenNoPin) {
  const std::string known = open()->describe().parent_name;
  hostile_.set("serial=0002");
  const int before = Hostile::calls("Login");
  const auto other = open(Hostile::kPin, known);
  EXPECT_NE(other->describe().parent_name, known);
  try {
    other->sign(as_bytes("pkcs11:id=%01;type=private"), Algorithm::es256, Bytes(32, 1));
    ADD_FAILURE() << "signed";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::device_unavailable);
    EXPECT_NE(error.detail().find("holdfast device accept hsm"), std::string::npos);
  }
  EXPECT_ANY_THROW(other->check());
  EXPECT_EQ(Hostile::calls("Login"), before);
  hostile_.set("");
  EXPECT_NO_THROW(open(Hostile::kPin, known)->check());
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
