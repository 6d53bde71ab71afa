// Tokens that come, go and are mistaken for each other, and other modules than SoftHSM's.
#include <filesystem>

#include "pkcs11/backend.h"
#include "tests/contract/crypto.h"
#include "tests/support/hostile.h"
#include "tests/support/softhsm.h"
#include "tests/support/swtpm.h"

namespace holdfast::test {
namespace {

std::unique_ptr<Backend> open(const std::string& uri) {
  return pkcs11::open({SoftHsm::module(), uri, Secret(as_bytes(SoftHsm::kPin)), 0});
}

// The text of the Error of `kind` that `action` throws.
template <class Action>
std::string refusal(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.kind()), to_string(kind)) << error.what();
    return error.detail();
  }
  ADD_FAILURE() << "threw nothing";
  return {};
}

TEST(Pkcs11Token, IsFoundByItsWordsAndNeverByItsSlot) {
  HOLDFAST_REQUIRE_SOFTHSM();
  const SoftHsm hsm;
  hsm.add("one");
  hsm.add("two");
  for (const char* const uri : {"pkcs11:token=one", "pkcs11:token=one;model=SoftHSM%20v2",
                                "pkcs11:token=one;manufacturer=SoftHSM%20project"})
    EXPECT_TRUE(open(uri)->describe().software) << uri;
  EXPECT_EQ(open("pkcs11:token=one")->describe().parent_name,
            open("pkcs11:token=one;model=SoftHSM%20v2")->describe().parent_name);

  const std::string several =
      refusal(ErrorKind::invalid_request, [] { open("pkcs11:model=SoftHSM%20v2"); });
  EXPECT_NE(several.find("\"one\" (serial "), std::string::npos) << several;
  EXPECT_NE(several.find("\"two\" (serial "), std::string::npos) << several;
  const std::string none =
      refusal(ErrorKind::device_unavailable, [] { open("pkcs11:token=three"); });
  EXPECT_NE(none.find("\"one\" (serial "), std::string::npos) << none;
  for (const char* const uri :
       {"", "token=one", "pkcs11:token=one;slot-id=0", "pkcs11:token=one;id=%01",
        "pkcs11:token=one?pin-value=1", "pkcs11:tokens=one"})
    refusal(ErrorKind::invalid_request, [&] { open(uri); });
}

TEST(Pkcs11Token, DeletedAndMadeAnewIsAnotherAndItsKeysAreLost) {
  HOLDFAST_REQUIRE_SOFTHSM();
  const SoftHsm hsm;
  hsm.add("token");
  auto backend = open("pkcs11:token=token");
  const std::string name = backend->describe().parent_name;
  const DeviceKey key = backend->create(KeyType::ec_p256);
  hsm.remove("token");
  // Not lost: it may be another day's token again.
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable,
                          [&] { backend->sign(key.object, Algorithm::es256, Bytes(32, 1)); }));
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [&] { backend->check(); }));
  backend.reset();
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [] { open("pkcs11:token=token"); }));
  hsm.add("token");
  backend = open("pkcs11:token=token");
  EXPECT_NE(backend->describe().parent_name, name);
  EXPECT_TRUE(throws_kind(ErrorKind::key_lost,
                          [&] { backend->sign(key.object, Algorithm::es256, Bytes(32, 1)); }));
  EXPECT_NO_THROW(backend->create(KeyType::ec_p256));
}

TEST(Pkcs11Token, ThatComesBackIsHealedByOpeningItAgain) {
  const Hostile hostile;
  auto backend = Hostile::open();
  const std::string name = backend->describe().parent_name;
  const DeviceKey key = backend->create(KeyType::ec_p256);
  hostile.set("Sign=rv:0x32 SignInit=rv:0xE0 GetTokenInfo=rv:0xE0");
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable,
                          [&] { backend->sign(key.object, Algorithm::es256, Bytes(32, 1)); }));
  backend.reset();
  EXPECT_TRUE(throws_kind(ErrorKind::device_unavailable, [] { Hostile::open(); }));
  hostile.set("");
  backend = Hostile::open();
  EXPECT_EQ(backend->describe().parent_name, name);
  const Sha256 digest = sha256("back");
  EXPECT_TRUE(
      verifies(key.public_key, digest, backend->sign(key.object, Algorithm::es256, digest)));
  backend->remove(key.object);
}

TEST(Pkcs11Token, KeepsItsNameWhenItsLabelChanges) {
  HOLDFAST_REQUIRE_SOFTHSM();
  const SoftHsm hsm;
  hsm.add("label");
  const auto backend = open("pkcs11:token=label");
  const Hostile hostile;
  EXPECT_NE(Hostile::open()->describe().parent_name, backend->describe().parent_name);
  hostile.set("serial=0002");
  const std::string two = Hostile::open()->describe().parent_name;
  hostile.set("");
  EXPECT_NE(Hostile::open()->describe().parent_name, two);
  EXPECT_FALSE(Hostile::open()->describe().software);
}

TEST(Pkcs11Token, OpenscsModuleLoadsAndShowsNone) {
  const std::string module = "/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so";
  if (!std::filesystem::exists(module)) {
    if (in_ci()) FAIL() << module << " is missing: install opensc-pkcs11";
    GTEST_SKIP() << module << " is missing: install opensc-pkcs11 to run this test";
  }
  const std::string reason = refusal(ErrorKind::device_unavailable, [&] {
    pkcs11::open({module, "pkcs11:token=card", Secret(as_bytes("123456")), 0});
  });
  EXPECT_NE(reason.find("shows no token at all"), std::string::npos) << reason;
}

// A second vendor's whole module, over a software TPM. The module's own way to a token, because tpm2_ptool's
// commands fill a TPM's slots where no resource manager empties them.
TEST(Pkcs11Token, Tpm2Pkcs11SignsOverASoftwareTpm) {
  HOLDFAST_REQUIRE_SWTPM();
  HOLDFAST_REQUIRE_PROGRAM("tpm2_ptool", "libtpm2-pkcs11-tools");
  HOLDFAST_REQUIRE_PROGRAM("pkcs11-tool", "opensc");
  Swtpm tpm;
  const Folder store;
  ::setenv("TPM2_PKCS11_STORE", store.path().c_str(), 1);
  ::setenv("TPM2_PKCS11_TCTI", tpm.tcti().c_str(), 1);
  const std::string module = "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so";
  const std::string tool = "pkcs11-tool", user = "userpin1", officer = "sopin1";
  must_run({tool, "--module", module, "--init-token", "--slot-index", "0", "--label", "tpm",
            "--so-pin", officer});
  must_run({tool, "--module", module, "--init-pin", "--login", "--login-type", "so", "--so-pin",
            officer, "--pin", user, "--slot-index", "0"});
  must_run({tool, "--module", module, "--login", "--pin", user, "--token-label", "tpm",
            "--keypairgen", "--key-type", "EC:prime256v1", "--label", "there", "--id", "01"});
  const auto open_tpm = [&] {
    return pkcs11::open({module, "pkcs11:token=tpm", Secret(as_bytes(user)), 2});
  };
  const Sha256 digest = sha256("tpm");
  {
    const auto backend = open_tpm();
    EXPECT_TRUE(backend->describe().software) << backend->describe().model;
    const EnrolledKey there = dynamic_cast<Enroller&>(*backend).enrol("pkcs11:object=there");
    EXPECT_EQ(there.type, KeyType::ec_p256);
    EXPECT_TRUE(there.always_secret);
    EXPECT_TRUE(verifies(there.key.public_key, digest,
                         backend->sign(there.key.object, Algorithm::es256, digest)));
  }
  tpm.kill();  // the module leaves its keys in the TPM's slots
  tpm.start();
  {
    const auto backend = open_tpm();
    const DeviceKey made = backend->create(KeyType::ec_p256);
    EXPECT_TRUE(
        verifies(made.public_key, digest, backend->sign(made.object, Algorithm::es256, digest)));
    backend->remove(made.object);
    EXPECT_TRUE(throws_kind(ErrorKind::key_lost,
                            [&] { backend->sign(made.object, Algorithm::es256, digest); }));
  }
  ::unsetenv("TPM2_PKCS11_STORE");
  ::unsetenv("TPM2_PKCS11_TCTI");
}

}  // namespace
}  // namespace holdfast::test
