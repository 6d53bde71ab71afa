// A module that fails in every way that PKCS #11 knows: how each ends, and that the next call works.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "pkcs11/error.h"
#include "tests/contract/crypto.h"
#include "tests/support/hostile.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

class Pkcs11Faults : public testing::Test {
 protected:
  Pkcs11Faults() : backend_(Hostile::open()), key_(backend_->create(KeyType::ec_p256)) {}
  ~Pkcs11Faults() override {
    hostile_.set("");
    backend_->remove(key_.object);
  }

  Bytes sign() { return backend_->sign(key_.object, Algorithm::es256, digest_); }
  void expect_good() { EXPECT_TRUE(verifies(key_.public_key, digest_, sign())); }

  Hostile hostile_;
  std::unique_ptr<Backend> backend_;
  DeviceKey key_;
  const Sha256 digest_ = sha256("message");
};

struct Ending {
  CK_RV rv;
  ErrorKind kind;
};

// PKCS #11 v3.0 §5.1, all but those of functions that we never call: they are internal, as an unknown code. So are those
// that don't say whether the token is lost, for as long as it answers.
constexpr Ending kEndings[] = {
    {CKR_CANCEL, ErrorKind::internal},
    {CKR_HOST_MEMORY, ErrorKind::internal},
    {CKR_SLOT_ID_INVALID, ErrorKind::device_unavailable},
    {CKR_GENERAL_ERROR, ErrorKind::internal},
    {CKR_FUNCTION_FAILED, ErrorKind::internal},
    {CKR_ARGUMENTS_BAD, ErrorKind::internal},
    {CKR_NO_EVENT, ErrorKind::internal},
    {CKR_NEED_TO_CREATE_THREADS, ErrorKind::internal},
    {CKR_CANT_LOCK, ErrorKind::internal},
    {CKR_ATTRIBUTE_READ_ONLY, ErrorKind::unsupported},
    {CKR_ATTRIBUTE_SENSITIVE, ErrorKind::internal},
    {CKR_ATTRIBUTE_TYPE_INVALID, ErrorKind::unsupported},
    {CKR_ATTRIBUTE_VALUE_INVALID, ErrorKind::unsupported},
    {CKR_ACTION_PROHIBITED, ErrorKind::unsupported},
    {CKR_DATA_INVALID, ErrorKind::invalid_request},
    {CKR_DATA_LEN_RANGE, ErrorKind::invalid_request},
    {CKR_DEVICE_ERROR, ErrorKind::device_unavailable},
    {CKR_DEVICE_MEMORY, ErrorKind::unsupported},
    {CKR_DEVICE_REMOVED, ErrorKind::device_unavailable},
    {CKR_FUNCTION_CANCELED, ErrorKind::internal},
    {CKR_FUNCTION_NOT_SUPPORTED, ErrorKind::unsupported},
    {CKR_KEY_HANDLE_INVALID, ErrorKind::key_lost},
    {CKR_KEY_SIZE_RANGE, ErrorKind::unsupported},
    {CKR_KEY_TYPE_INCONSISTENT, ErrorKind::unsupported},
    {CKR_KEY_CHANGED, ErrorKind::key_lost},
    {CKR_KEY_FUNCTION_NOT_PERMITTED, ErrorKind::unsupported},
    {CKR_MECHANISM_INVALID, ErrorKind::unsupported},
    {CKR_MECHANISM_PARAM_INVALID, ErrorKind::unsupported},
    {CKR_OBJECT_HANDLE_INVALID, ErrorKind::key_lost},
    {CKR_OPERATION_ACTIVE, ErrorKind::internal},
    {CKR_OPERATION_NOT_INITIALIZED, ErrorKind::internal},
    {CKR_PIN_INCORRECT, ErrorKind::device_unavailable},
    {CKR_PIN_INVALID, ErrorKind::device_unavailable},
    {CKR_PIN_LEN_RANGE, ErrorKind::device_unavailable},
    {CKR_PIN_EXPIRED, ErrorKind::device_unavailable},
    {CKR_PIN_LOCKED, ErrorKind::device_unavailable},
    {CKR_SESSION_CLOSED, ErrorKind::device_unavailable},
    {CKR_SESSION_COUNT, ErrorKind::device_unavailable},
    {CKR_SESSION_HANDLE_INVALID, ErrorKind::device_unavailable},
    {CKR_SESSION_PARALLEL_NOT_SUPPORTED, ErrorKind::internal},
    {CKR_SESSION_READ_ONLY, ErrorKind::unsupported},
    {CKR_SESSION_EXISTS, ErrorKind::device_unavailable},
    {CKR_SESSION_READ_ONLY_EXISTS, ErrorKind::unsupported},
    {CKR_SESSION_READ_WRITE_SO_EXISTS, ErrorKind::device_unavailable},
    {CKR_TEMPLATE_INCOMPLETE, ErrorKind::unsupported},
    {CKR_TEMPLATE_INCONSISTENT, ErrorKind::unsupported},
    {CKR_TOKEN_NOT_PRESENT, ErrorKind::device_unavailable},
    {CKR_TOKEN_NOT_RECOGNIZED, ErrorKind::device_unavailable},
    {CKR_TOKEN_WRITE_PROTECTED, ErrorKind::unsupported},
    {CKR_USER_NOT_LOGGED_IN, ErrorKind::device_unavailable},
    {CKR_USER_PIN_NOT_INITIALIZED, ErrorKind::device_unavailable},
    {CKR_USER_TYPE_INVALID, ErrorKind::device_unavailable},
    {CKR_USER_ANOTHER_ALREADY_LOGGED_IN, ErrorKind::device_unavailable},
    {CKR_USER_TOO_MANY_TYPES, ErrorKind::device_unavailable},
    {CKR_RANDOM_NO_RNG, ErrorKind::device_unavailable},
    {CKR_DOMAIN_PARAMS_INVALID, ErrorKind::unsupported},
    {CKR_CURVE_NOT_SUPPORTED, ErrorKind::unsupported},
    {CKR_BUFFER_TOO_SMALL, ErrorKind::internal},
    {CKR_CRYPTOKI_NOT_INITIALIZED, ErrorKind::device_unavailable},
    {CKR_MUTEX_BAD, ErrorKind::internal},
    {CKR_FIPS_SELF_TEST_FAILED, ErrorKind::device_unavailable},
    {CKR_LIBRARY_LOAD_FAILED, ErrorKind::device_unavailable},
    {CKR_FUNCTION_REJECTED, ErrorKind::unsupported},
    {0x201, ErrorKind::unsupported},
    {0x12345, ErrorKind::internal},
    {CKR_VENDOR_DEFINED | 7, ErrorKind::internal},
};

TEST_F(Pkcs11Faults, EachCodeEndsAsItsKindAndTheNextSignatureIsGood) {
  for (const char* const function : {"SignInit", "Sign"})
    for (const Ending& ending : kEndings) {
      SCOPED_TRACE(std::string(function) + ' ' + std::string(pkcs11::name_of(ending.rv)));
      hostile_.set(std::string(function) + "=rv:" + std::to_string(ending.rv));
      try {
        sign();
        ADD_FAILURE() << "threw nothing";
      } catch (const Error& error) {
        EXPECT_EQ(to_string(error.kind()), to_string(ending.kind)) << error.what();
        EXPECT_EQ(error.native_code(), static_cast<std::int64_t>(ending.rv));
        EXPECT_NE(error.detail().find(pkcs11::name_of(ending.rv)), std::string::npos);
      }
      hostile_.set("");
      expect_good();
    }
}

constexpr CK_RV kQuestions[] = {CKR_HOST_MEMORY, CKR_GENERAL_ERROR, CKR_FUNCTION_FAILED,
                                CKR_FUNCTION_CANCELED};

TEST_F(Pkcs11Faults, ACodeThatMayMeanALostTokenIsJudgedByAskingTheToken) {
  for (const CK_RV rv : kQuestions)
    for (const char* const answer :
         {"GetTokenInfo=rv:0xE0", "GetTokenInfo=rv:0x5", "GetSessionInfo=rv:0x30",
          "GetSessionInfo=rv:0xB3", "serial=0002"}) {
      SCOPED_TRACE(std::string(pkcs11::name_of(rv)) + ' ' + answer);
      hostile_.set("Sign=rv:" + std::to_string(rv) + ' ' + answer);
      EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { sign(); }));
      hostile_.set("");
      expect_good();
    }
}

TEST_F(Pkcs11Faults, ATokenThatAnswersAndFailsEachCommandIsBeyondHelp) {
  backend_.reset();
  int given_up = 0;
  backend_ = Hostile::open(Hostile::kPin, 0, [&] { ++given_up; });
  hostile_.set("Sign=rv:0x5");
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] { sign(); })) << i;
    EXPECT_NO_THROW(backend_->check());  // says nothing of commands
  }
  EXPECT_EQ(given_up, 0);
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { sign(); }));
  EXPECT_EQ(given_up, 1);
}

TEST_F(Pkcs11Faults, OneKeysFailuresBetweenSuccessesNeverCostTheDevice) {
  for (int i = 0; i < 20; ++i) {
    hostile_.set("Sign=rv:0x6");
    EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] { sign(); })) << i;
    hostile_.set("");
    expect_good();
  }
}

TEST_F(Pkcs11Faults, EachNameOfACodeIsKnown) {
  for (const Ending& ending : kEndings) {
    if (ending.rv == 0x12345 || ending.rv >= CKR_VENDOR_DEFINED) continue;
    EXPECT_TRUE(pkcs11::name_of(ending.rv).starts_with("CKR_")) << ending.rv;
  }
  EXPECT_EQ(pkcs11::name_of(0x12345), "");
}

TEST_F(Pkcs11Faults, ALostSessionIsHealedWithinTheCall) {
  for (const CK_RV rv : {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED})
    for (const char* const function : {"SignInit", "Sign", "FindObjectsInit", "GenerateKeyPair"}) {
      SCOPED_TRACE(function);
      expect_good();
      hostile_.set(std::string(function) + "=rv:" + std::to_string(rv) + "*1");
      expect_good();
      backend_->remove(backend_->create(KeyType::ec_p256).object);
    }
}

TEST_F(Pkcs11Faults, ALostLoginIsHealedByOneLoginForAll) {
  const int before = Hostile::calls("Login");
  hostile_.set("SignInit=rv:0x101*1");
  expect_good();
  // The session's state says that it is logged in, so nobody is asked for a PIN.
  EXPECT_EQ(Hostile::calls("Login"), before);
  hostile_.set("SignInit=rv:0xB3*1");  // all sessions are closed, and with the last the log-in
  expect_good();
  EXPECT_EQ(Hostile::calls("Login"), before + 1);
}

TEST_F(Pkcs11Faults, AStaleHandleIsFoundAgain) {
  for (const CK_RV rv : {CKR_KEY_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID}) {
    expect_good();
    const int before = Hostile::calls("FindObjectsInit");
    hostile_.set("SignInit=rv:" + std::to_string(rv) + "*1");
    expect_good();
    EXPECT_EQ(Hostile::calls("FindObjectsInit"), before + 1);
  }
}

TEST_F(Pkcs11Faults, WhatFailsWhileItIsOpenedIsSaidAndTheNextTryWorks) {
  backend_.reset();
  for (const char* const function : {"Initialize", "GetSlotList", "GetTokenInfo",
                                     "GetMechanismList", "OpenSession", "GetSessionInfo"})
    for (const CK_RV rv : {CKR_GENERAL_ERROR, CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED,
                           CKR_TOKEN_NOT_PRESENT, CKR_HOST_MEMORY}) {
      hostile_.set(std::string(function) + "=rv:" + std::to_string(rv));
      EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [] { Hostile::open(); }))
          << function << ' ' << pkcs11::name_of(rv);
      hostile_.set("");
      EXPECT_NO_THROW(Hostile::open());
    }
  backend_ = Hostile::open();
  expect_good();
}

TEST_F(Pkcs11Faults, WhatFailsWhileAKeyIsMadeLeavesNothingBehind) {
  const int before = Hostile::objects();
  for (const char* const function :
       {"GenerateKeyPair", "GetAttributeValue", "FindObjects", "SignInit", "Sign"})
    for (const Ending& ending :
         {Ending{CKR_DEVICE_ERROR, ErrorKind::device_unavailable},
          Ending{CKR_DEVICE_MEMORY, ErrorKind::unsupported},
          Ending{CKR_ARGUMENTS_BAD, ErrorKind::internal},
          Ending{CKR_SESSION_HANDLE_INVALID, ErrorKind::device_unavailable}}) {
      // Once is healed in some cases; more than it takes would keep the cleaning up from its work.
      const bool heals = pkcs11::recovery_of(ending.rv) == pkcs11::Recovery::session;
      hostile_.set(std::string(function) + "=rv:" + std::to_string(ending.rv) +
                   (heals ? "*2" : "*1"));
      EXPECT_TRUE(throws_kind(ending.kind, [&] { backend_->create(KeyType::ec_p256); }))
          << function << ' ' << pkcs11::name_of(ending.rv);
      EXPECT_EQ(Hostile::objects(), before) << function << ' ' << pkcs11::name_of(ending.rv);
      hostile_.set("");
      expect_good();
    }
}

TEST_F(Pkcs11Faults, AKeyIsNotCalledLostWhereItsTokenIsGone) {
  for (const char* const words :
       {"SignInit=rv:0x60 GetTokenInfo=rv:0xE0", "SignInit=rv:0x60 serial=0002"}) {
    hostile_.set(words);
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { sign(); })) << words;
    hostile_.set("");
    expect_good();
  }
}

TEST_F(Pkcs11Faults, EveryRungOfTheLadderIsTriedOnceAndNoMore) {
  const int before = Hostile::calls("SignInit");
  hostile_.set("SignInit=rv:0xB3");
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { sign(); }));
  EXPECT_EQ(Hostile::calls("SignInit"), before + 2);
}

TEST_F(Pkcs11Faults, LengthsThatCantBeAreTheModulesDefect) {
  for (const char* const words : {"Sign=short", "Sign=long", "Sign=longest"}) {
    hostile_.set(words);
    EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] { sign(); })) << words;
    hostile_.set("");
    expect_good();
  }
  for (const char* const words : {"FindObjects=long", "GetAttributeValue=long"}) {
    const DeviceKey other = backend_->create(KeyType::ec_p256);
    backend_.reset();
    backend_ = Hostile::open();
    hostile_.set(words);
    EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] {
      backend_->sign(other.object, Algorithm::es256, digest_);
    })) << words;
    hostile_.set("");
    backend_->remove(other.object);
    expect_good();
  }
  backend_.reset();
  for (const char* const words : {"GetSlotList=long", "GetMechanismList=long"}) {
    hostile_.set(words);
    EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] { Hostile::open(); })) << words;
  }
  hostile_.set("");
  backend_ = Hostile::open();
}

TEST_F(Pkcs11Faults, AGarbageSignatureIsForTheCallerToFindAndRefusedForANewKey) {
  hostile_.set("Sign=garbage");
  EXPECT_FALSE(verifies(key_.public_key, digest_, sign()));
  const int before = Hostile::objects();
  EXPECT_TRUE(throws_kind(ErrorKind::internal, [&] { backend_->create(KeyType::ec_p256); }));
  EXPECT_EQ(Hostile::objects(), before);
}

TEST_F(Pkcs11Faults, ASecretIsImportedAsTheKeyTypeThatTheModuleTakes) {
  const int before = Hostile::objects();
  for (const char* const code : {"0x13", "0x63", "0x70", "0xD1"}) {
    hostile_.set(std::string("generic_secret=") + code);
    const DeviceKey key = backend_->import_secret(Secret(as_bytes("secret")));
    const Secret mac = backend_->mac(key.object, {Bytes(3, 7)});
    EXPECT_TRUE(std::ranges::equal(mac.view(), hmac_sha256(as_bytes("secret"), Bytes(3, 7)).view()))
        << code;
    backend_->remove(key.object);
  }
  hostile_.set("generic_secret=0x31");  // CKR_DEVICE_MEMORY: says nothing of the type
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported,
                          [&] { backend_->import_secret(Secret(as_bytes("secret"))); }));
  EXPECT_EQ(Hostile::objects(), before);
}

TEST_F(Pkcs11Faults, AHalfMadeKeyIsCleanedUp) {
  const int before = Hostile::objects();
  hostile_.set("GenerateKeyPair=half");
  EXPECT_TRUE(
      throws_kind(ErrorKind::device_unavailable, [&] { backend_->create(KeyType::ec_p256); }));
  hostile_.set("SignInit=rv:0x68");
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported, [&] { backend_->create(KeyType::ec_p256); }));
  EXPECT_TRUE(throws_kind(ErrorKind::unsupported,
                          [&] { backend_->import_secret(Secret(as_bytes("secret"))); }));
  EXPECT_EQ(Hostile::objects(), before);
}

TEST_F(Pkcs11Faults, ACheckNoticesARemovedTokenAndAnotherInItsPlace) {
  for (const char* const words :
       {"GetTokenInfo=rv:0xE0", "GetTokenInfo=rv:0x32", "GetSessionInfo=rv:0x30", "serial=0002"}) {
    hostile_.set(words);
    EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { backend_->check(); })) << words;
    hostile_.set("");
    EXPECT_NO_THROW(backend_->check());
  }
}

TEST_F(Pkcs11Faults, AKeyThatAlwaysAuthenticatesIsGivenThePinForEachSignature) {
  hostile_.set("always=yes");
  backend_.reset();
  backend_ = Hostile::open();
  const int before = Hostile::calls("Login");
  for (int i = 0; i < 3; ++i) expect_good();
  EXPECT_EQ(Hostile::calls("Login"), before + 3);
}

// What only the process around the backend survives (threat 7): each ends a process, and no more than it.
TEST_F(Pkcs11Faults, ACrashAnExitAndAHangCostTheProcessAndNothingElse) {
  const auto ending = [&](const char* words) {
    hostile_.set(words);
    const pid_t child = ::fork();
    if (child == 0) {
      ::signal(SIGSEGV, SIG_DFL);
      ::alarm(2);
      backend_->sign(key_.object, Algorithm::es256, digest_);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  };
  const int crashed = ending("Sign=crash"), left = ending("Sign=exit"), hung = ending("Sign=hang");
  EXPECT_TRUE(WIFSIGNALED(crashed) && WTERMSIG(crashed) == SIGSEGV) << crashed;
  EXPECT_TRUE(WIFEXITED(left) && WEXITSTATUS(left) == 3) << left;
  EXPECT_TRUE(WIFSIGNALED(hung) && WTERMSIG(hung) == SIGALRM) << hung;
  hostile_.set("");
  expect_good();
}

}  // namespace
}  // namespace holdfast::test
