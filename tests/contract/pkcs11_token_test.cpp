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

// A second vendor's whole module, over a software TPM.
TEST(Pkcs11Token, Tpm2Pkcs11SignsOverASoftwareTpm) {
  HOLDFAST_REQUIRE_SWTPM();
  HOLDFAST_REQUIRE_PROGRAM("tpm2_ptool", "libtpm2-pkcs11-tools");
  const Swtpm tpm;
  const Folder store;
  ::setenv("TPM2_PKCS11_STORE", store.path().c_str(), 1);
  ::setenv("TPM2_PKCS11_TCTI", tpm.tcti().c_str(), 1);
  ::setenv("TPM2TOOLS_TCTI", tpm.tcti().c_str(), 1);
  const std::string path = "--path=" + store.path();
  must_run({"tpm2_ptool", "init", path});
  must_run({"tpm2_ptool", "addtoken", "--pid=1", "--sopin=sopin1", "--userpin=userpin1",
            "--label=tpm", path});
  must_run({"tpm2_ptool", "addkey", "--label=tpm", "--userpin=userpin1", "--algorithm=ecc256",
            "--key-label=enrolled", path});
  {
    const auto backend = pkcs11::open({"/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so",
                                       "pkcs11:token=tpm", Secret(as_bytes("userpin1")), 2});
    EXPECT_TRUE(backend->describe().software) << backend->describe().model;
    const EnrolledKey enrolled = dynamic_cast<Enroller&>(*backend).enrol("pkcs11:object=enrolled");
    EXPECT_EQ(enrolled.type, KeyType::ec_p256);
    const Sha256 digest = sha256("tpm");
    EXPECT_TRUE(verifies(enrolled.key.public_key, digest,
                         backend->sign(enrolled.key.object, Algorithm::es256, digest)));
  }
  for (const char* const name : {"TPM2_PKCS11_STORE", "TPM2_PKCS11_TCTI", "TPM2TOOLS_TCTI"})
    ::unsetenv(name);
}

}  // namespace
}  // namespace holdfast::test
