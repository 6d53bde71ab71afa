// Administrators' calls: enrolment, and that a change which fails leaves nothing on the device.
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <filesystem>

#include "daemon/key/jwk.h"
#include "daemon/service/documents.h"

#include "tests/unit/service_support.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

class Keys : public ServiceTest {
 protected:
  std::string enrolment(const std::string& name, const std::string& use, const std::string& uri) {
    return R"({"name":")" + name + R"(","use":")" + use + R"(","uri":")" + uri + "\"}";
  }
  json::object enrol(const std::string& name, const std::string& use, const std::string& uri) {
    body_ = enrolment(name, use, uri);
    return done(admin_->enrol(0, body_));
  }
  Error enrol_refused(const std::string& name, const std::string& use, const std::string& uri) {
    body_ = enrolment(name, use, uri);
    return refused(admin_->enrol(0, body_));
  }
  // What creates a key file fails from now on.
  void break_store() { std::filesystem::remove_all(folder_ / "keys"); }
};

TEST_F(Keys, AreEnrolledWithTheTypeThatTheDeviceFindsAndSign) {
  const json::object key = enrol("mine", "digest", device_->place_key(KeyType::ec_p256));
  EXPECT_EQ(key.at("type"), "ec-p256");
  EXPECT_EQ(key.at("device"), "fake");
  EXPECT_EQ(key.at("software"), true);
  EXPECT_EQ(key.at("origin"), "generated");
  EXPECT_EQ(key.at("versions").as_array().at(0).at("state"), "active");
  const KeyVersion& version = *service_->catalogue.find("mine")->active();
  EXPECT_EQ(version.kid, jwk_thumbprint(version.public_key));
  EXPECT_EQ(sign("mine"), std::nullopt);
  EXPECT_EQ(store_->load().size(), 1u);
}

TEST_F(Keys, ThatMayHaveBeenElsewhereAreImported) {
  const std::string uri = device_->place_key(KeyType::ec_p384, false);
  EXPECT_EQ(enrol("theirs", "jwt", uri).at("origin"), "imported");
}

TEST_F(Keys, AreNotEnrolledForAUseThatTheirTypeDoesNotFit) {
  const std::string hmac = device_->place_key(KeyType::hmac_sha256);
  const Error error = enrol_refused("mac", "digest", hmac);
  EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
  EXPECT_THAT(error.detail(), HasSubstr("hmac-sha256"));
  EXPECT_THAT(enrol_refused("mac", "sigv4", hmac).detail(), HasSubstr("import it"));
  EXPECT_EQ(service_->catalogue.find("mac"), nullptr);
  EXPECT_EQ(device_->keys(), 1u) << "it is not ours to remove";
}

TEST_F(Keys, OfEd25519AreForTokensAlone) {
  body_ = R"({"name":"digests","type":"ed25519","use":"digest"})";
  const Error error = refused(admin_->create(0, body_));
  EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
  EXPECT_THAT(error.detail(), HasSubstr("ed25519 for jwt"));
  const std::string uri = device_->place_key(KeyType::ed25519);
  EXPECT_THAT(enrol_refused("digests", "digest", uri).detail(), HasSubstr("ed25519"));
  EXPECT_EQ(service_->catalogue.find("digests"), nullptr);

  enrol("tokens", "jwt", uri);
  const json::object jwks = jwks_document(service_->catalogue, "", [](const Key&) { return true; });
  const json::object& jwk = jwks.at("keys").as_array().at(0).as_object();
  EXPECT_EQ(jwk.at("kty"), "OKP");
  EXPECT_EQ(jwk.at("alg"), "EdDSA");
  EXPECT_EQ(jwk.at("kid").as_string(), service_->catalogue.find("tokens")->active()->kid);
}

TEST_F(Keys, AreNotEnrolledWhereTheDeviceRefusesThem) {
  const Error weak =
      enrol_refused("weak", "jwt", device_->place_key(KeyType::ec_p256, true, false));
  EXPECT_EQ(weak.kind(), ErrorKind::conflict);
  EXPECT_THAT(weak.detail(), HasSubstr("CKA_EXTRACTABLE"));
  EXPECT_EQ(enrol_refused("none", "jwt", "pkcs11:object=none").kind(), ErrorKind::invalid_request);
}

TEST_F(Keys, AreEnrolledByAUriThatNamesNoPin) {
  for (const char* uri :
       {"object=k", "", "pkcs11:object=k?pin-value=1234", "pkcs11:object=k?pin-source=/etc/pin"}) {
    const Error error = enrol_refused("pin", "jwt", uri);
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request) << uri;
    EXPECT_THAT(error.detail(), HasSubstr("uri")) << uri;
    EXPECT_THAT(error.detail(), ::testing::Not(HasSubstr("1234"))) << uri;
  }
}

TEST_F(Keys, OfOneNameOrOneKidAreNotEnrolledTwice) {
  const std::string uri = device_->place_key(KeyType::ec_p256);
  enrol("first", "jwt", uri);
  EXPECT_EQ(enrol_refused("first", "jwt", uri).kind(), ErrorKind::conflict);
  EXPECT_THAT(enrol_refused("second", "jwt", uri).detail(), HasSubstr("taken by key first"));
  EXPECT_EQ(device_->keys(), 1u);
}

TEST_F(Keys, ThatCantBePutOnRecordLeaveNothingOnTheDevice) {
  create("kept");
  ASSERT_EQ(device_->keys(), 1u);
  break_store();
  body_ = R"({"name":"lost","type":"ec-p256","use":"digest"})";
  EXPECT_EQ(refused(admin_->create(0, body_)).kind(), ErrorKind::internal);
  EXPECT_EQ(service_->catalogue.find("lost"), nullptr);
  EXPECT_EQ(device_->keys(), 1u);
  refused(admin_->add_version(0, "kept", ""));
  EXPECT_EQ(device_->keys(), 1u);
  EXPECT_EQ(service_->catalogue.find("kept")->versions.size(), 1u);
}

TEST_F(Keys, OfAKidThatIsTakenLeaveNothingOnTheDevice) {
  const EvpPkey pair(EVP_EC_gen("P-256"));
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(memory, pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(memory, &text));
  const std::string pem(text, size);
  BIO_free(memory);
  const auto import = [&](const std::string& name) {
    body_ = json::serialize(
        json::object{{"name", name}, {"use", "jwt"}, {"private_key_pem", pem}, {"kid", "one"}});
  };
  import("first");
  done(admin_->import(0, body_));
  import("second");
  EXPECT_EQ(refused(admin_->import(0, body_)).kind(), ErrorKind::conflict);
  EXPECT_EQ(device_->keys(), 1u);
}

TEST_F(Keys, WhoseSecretTheDeviceDoesNotComputeWithLeaveNothingOnIt) {
  create("other");
  device_->fail_next(1, ErrorKind::internal, 1);  // the import goes well, the MAC does not
  body_ = R"({"name":"aws","use":"sigv4","access_key_id":"AKIA","secret_access_key":"secret"})";
  EXPECT_EQ(refused(admin_->import(0, body_)).kind(), ErrorKind::internal);
  EXPECT_EQ(device_->keys(), 1u);
  EXPECT_EQ(service_->catalogue.find("aws"), nullptr);
}

TEST_F(Keys, ThatAreDeletedAreGoneFromTheDeviceButForTheEnrolled) {
  enrol("enrolled", "digest", device_->place_key(KeyType::ec_p256));
  create("made");
  ASSERT_EQ(device_->keys(), 2u);
  for (const char* name : {"made", "enrolled"}) {
    const auto removal = [&]() -> boost::asio::awaitable<bool> {
      co_await admin_->remove(0, name);
      co_return true;
    };
    EXPECT_TRUE(await(removal()).value);
    EXPECT_EQ(device_->keys(), 1u);
  }
}

}  // namespace
}  // namespace holdfast
