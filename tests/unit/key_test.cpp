#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/params.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "daemon/base/error.h"
#include "daemon/base/json.h"
#include "daemon/base/openssl.h"
#include "daemon/base/posix.h"
#include "daemon/key/catalogue.h"
#include "daemon/key/jwk.h"
#include "daemon/key/store.h"
#include "daemon/key/verify.h"
#include "tests/unit/certificates.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() { path_ = ::mkdtemp(template_); }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  char template_[32] = "/tmp/holdfast-key-XXXXXX";
  std::string path_;
};

KeyVersion version_of(std::string kid) {
  KeyVersion version;
  version.kid = std::move(kid);
  version.created = SystemTime(std::chrono::seconds(1'700'000'000));
  version.object = {'b', 'l', 'o', 'b'};
  return version;
}

Key sample(std::string name) {
  Key key;
  key.name = std::move(name);
  key.type = KeyType::hmac_sha256;
  key.use = KeyUse::sigv4;
  key.device = "tpm";
  key.origin = Origin::imported;
  return with_version(std::move(key), version_of("AKID1"), VersionState::active);
}

template <class Work>
ErrorKind kind_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::internal;
}

TEST(KeyName, IsLowerCaseAndShort) {
  for (const char* name : {"a", "0", "orders-aws", "a.b_c-d"})
    EXPECT_TRUE(is_key_name(name)) << name;
  EXPECT_TRUE(is_key_name(std::string(63, 'a')));
  for (const char* name : {"", "-a", ".a", "..", "A", "a/b", "a b", "a\n", "a~new", "ä"})
    EXPECT_FALSE(is_key_name(name)) << name;
  EXPECT_FALSE(is_key_name(std::string(64, 'a')));
}

TEST(KeyVersion, IsStagedThroughItsLife) {
  Key key = sample("k");
  EXPECT_EQ(key.active()->number, 1u);
  key = with_version(key, version_of("AKID2"), VersionState::pending);
  EXPECT_EQ(key.active()->kid, "AKID1");
  key = activated(key, 2);
  EXPECT_EQ(key.active()->kid, "AKID2");
  EXPECT_EQ(key.versions[0].state, VersionState::verifying);
  EXPECT_EQ(kind_of([&] { retired(key, 2); }), ErrorKind::conflict);
  key = retired(key, 1);
  EXPECT_EQ(key.versions[0].state, VersionState::retired);
  EXPECT_EQ(kind_of([&] { activated(key, 1); }), ErrorKind::conflict);
  EXPECT_EQ(kind_of([&] { activated(key, 9); }), ErrorKind::not_found);
  key = with_version(key, version_of("AKID3"), VersionState::pending);
  key = with_version_disabled(key, 3, true);
  EXPECT_EQ(kind_of([&] { activated(key, 3); }), ErrorKind::conflict);
}

TEST(KeyVersion, KeepsWhenItCameIntoItsState) {
  const SystemTime start(std::chrono::seconds(1'700'000'000)),
      later = start + std::chrono::hours(1);
  const Key first = dated(sample("k"), nullptr, start);
  EXPECT_EQ(first.versions[0].since, start);
  const Key second =
      dated(with_version(first, version_of("AKID2"), VersionState::active), &first, later);
  EXPECT_EQ(second.versions[0].since, later);
  EXPECT_EQ(second.versions[1].since, later);
  const Key disabled =
      dated(with_version_disabled(second, 1, true), &second, later + std::chrono::hours(1));
  EXPECT_EQ(disabled.versions[0].since, later);
}

TEST(KeyUse, FitsOnlyItsTypes) {
  EXPECT_TRUE(fits(KeyUse::sigv4, KeyType::hmac_sha256));
  EXPECT_FALSE(fits(KeyUse::sigv4, KeyType::ec_p256));
  EXPECT_TRUE(fits(KeyUse::digest, KeyType::ec_p256));
  EXPECT_FALSE(fits(KeyUse::digest, KeyType::hmac_sha256));
  EXPECT_TRUE(fits(KeyUse::audit, KeyType::ec_p256));
  for (const KeyType type :
       {KeyType::ec_p384, KeyType::rsa_2048, KeyType::hmac_sha256, KeyType::ed25519})
    EXPECT_FALSE(fits(KeyUse::audit, type)) << "signed-note type 0x02 is P-256's";
  EXPECT_TRUE(fits(KeyUse::jwt, KeyType::ed25519));
  EXPECT_FALSE(fits(KeyUse::digest, KeyType::ed25519)) << "it signs messages";
  EXPECT_FALSE(fits(KeyUse::sigv4, KeyType::ed25519));
  for (const KeyType type : {KeyType::ec_p256, KeyType::rsa_2048, KeyType::rsa_3072})
    EXPECT_TRUE(fits(KeyUse::roles_anywhere, type));
  for (const KeyType type : {KeyType::ec_p384, KeyType::hmac_sha256, KeyType::ed25519})
    EXPECT_FALSE(fits(KeyUse::roles_anywhere, type));
}

TEST(Store, BringsBackWhatItWasGiven) {
  const Folder folder;
  const Store store(folder / "keys");
  Key key = sample("orders-aws");
  key.versions[0].since = key.versions[0].created + std::chrono::seconds(7);
  store.create(key);
  key = with_version(key, version_of("AKID2"), VersionState::pending);
  key.disabled = true;
  store.update(key);
  const std::vector<Key> keys = Store(folder / "keys").load();
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].damage, "");
  EXPECT_TRUE(keys[0].disabled);
  ASSERT_EQ(keys[0].versions.size(), 2u);
  EXPECT_EQ(keys[0].versions[1].kid, "AKID2");
  EXPECT_EQ(keys[0].versions[1].object, (Bytes{'b', 'l', 'o', 'b'}));
  EXPECT_EQ(keys[0].versions[0].created, key.versions[0].created);
  EXPECT_EQ(keys[0].versions[0].since, key.versions[0].since);
}

TEST(Store, TakesANumberAgainThatAFailedUpdateHadWritten) {
  const Folder folder;
  const Store store(folder / "keys");
  const Key key = sample("a");
  store.create(key);
  store.update(with_version(key, version_of("AKID2"), VersionState::pending));
  KeyVersion other = version_of("AKID3");
  other.object = {'o', 't', 'h', 'e', 'r'};
  store.update(with_version(key, other, VersionState::pending));
  const std::vector<Key> keys = store.load();
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].damage, "");
  ASSERT_EQ(keys[0].versions.size(), 2u);
  EXPECT_EQ(keys[0].versions[1].object, other.object);
}

TEST(Store, ReadsAKeyWithAllTheVersionsThatItTakes) {
  const Folder folder;
  const Store store(folder / "keys");
  Key key = sample("a");
  KeyVersion version = version_of(std::string(128, 'K'));
  version.public_key.assign(550, 1);  // RSA-3072's is 422
  while (key.versions.size() < kMaxVersions)
    key = with_version(std::move(key), version, VersionState::pending);
  EXPECT_EQ(kind_of([&] { with_version(key, version, VersionState::pending); }),
            ErrorKind::conflict);
  store.create(key);
  EXPECT_EQ(store.load().at(0).damage, "");
}

TEST(Store, RefusesATakenName) {
  const Folder folder;
  const Store store(folder / "keys");
  store.create(sample("a"));
  EXPECT_EQ(kind_of([&] { store.create(sample("a")); }), ErrorKind::conflict);
  store.remove("a");
  EXPECT_NO_THROW(store.create(sample("a")));
}

TEST(Store, FindsEveryFlippedBitAndSparesTheOtherKeys) {
  const Folder folder;
  const Store store(folder / "keys");
  store.create(sample("good"));
  store.create(sample("bad"));
  for (const char* file : {"key.json", "v1.pem"}) {
    const std::string path = folder / "keys/bad/" + file;
    const std::string original = read_file(path, 1 << 20);
    for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
      std::string changed = original;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      std::ofstream(path, std::ios::binary | std::ios::trunc) << changed;
      for (const Key& key : store.load())
        EXPECT_EQ(key.damage.empty(), key.name == "good") << file << " bit " << bit;
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << original;
  }
}

// As of a file that another release, or a hand, wrote with the right checksum.
TEST(Store, CallsAKeyDamagedWhoseMetadataLacksAField) {
  const Folder folder;
  const Store store(folder / "keys");
  store.create(sample("a"));
  const std::string path = folder / "keys/a/key.json";
  const std::string original = read_file(path, 1 << 20);
  const json::object whole = parse_json_object(original.substr(0, original.find('\n')));
  const auto damage_of = [&](const json::object& metadata) {
    const std::string line = json::serialize(metadata);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << line << "\n"
                                                            << sha256_hex(line) << "\n";
    return store.load().at(0).damage;
  };
  EXPECT_EQ(damage_of(whole), "");
  for (const auto& field : whole) {
    json::object metadata = whole;
    metadata.erase(field.key());
    EXPECT_NE(damage_of(metadata), "") << field.key();
  }
  for (const auto& field : whole.at("versions").at(0).as_object()) {
    json::object metadata = whole;
    metadata.at("versions").at(0).as_object().erase(field.key());
    EXPECT_NE(damage_of(metadata), "") << field.key();
  }
}

TEST(Store, DropsWhatAnInterruptedChangeLeft) {
  const Folder folder;
  const Store store(folder / "keys");
  store.create(sample("a"));
  fs::copy(folder / "keys/a", folder / "keys/b~new", fs::copy_options::recursive);
  fs::rename(folder / "keys/a", folder / "keys/a~old");
  EXPECT_TRUE(store.load().empty());
  EXPECT_TRUE(fs::is_empty(folder / "keys"));
}

// Runs `work` in a child and kills it before its system call number `last`; false once it got
// through.
template <class Work>
bool kill_before_call(int last, Work work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  for (int stop = 0; !WIFEXITED(status); ++stop) {
    if (stop == 2 * last) {  // each call stops at its entry and at its exit
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      return true;
    }
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
  return false;
}

// THREATS row 25: a change that dies at any system call leaves the key as before or as after.
TEST(Store, LeavesAKeyWholeWhenKilledAtAnySystemCall) {
  const EvpPkey pair = test::new_pair();
  const auto certificate = [&](const char* serial) {
    return read_certificate(test::certificate(pair.get(), pair.get(), {.serial = serial}));
  };
  for (const bool creates : {true, false}) {
    Key before = sample("a");
    before.versions[0].certificate = certificate("1");
    Key after = with_version(before, version_of("AKID2"), VersionState::active);
    after.versions[0].certificate = certificate("2");
    int calls = 1;
    for (bool killed = true; killed; ++calls) {
      const Folder folder;
      const Store store(folder / "keys");
      store.create(creates ? sample("other") : before);
      killed =
          kill_before_call(calls, [&] { creates ? store.create(after) : store.update(after); });
      for (const Key& found : store.load()) {
        ASSERT_EQ(found.damage, "") << "call " << calls;
        if (found.name == "a" && found.versions.size() != 2) {
          ASSERT_FALSE(creates) << "call " << calls;
          ASSERT_EQ(found.active()->kid, "AKID1");
          ASSERT_EQ(found.active()->certificate->serial, "1");
        }
      }
      // Whatever was left behind stands in no later change's way.
      if (creates && store.load().size() == 1) store.create(after);
      if (!creates) store.update(after);
      ASSERT_EQ(store.load().size(), creates ? 2u : 1u);
    }
    EXPECT_GT(calls, 15);
  }
}

TEST(Catalogue, AllowsOneChangeOfANameAtATime) {
  Catalogue catalogue({sample("a")});
  {
    const Catalogue::Change change(catalogue, "a");
    EXPECT_EQ(kind_of([&] { Catalogue::Change(catalogue, "a"); }), ErrorKind::conflict);
  }
  EXPECT_NO_THROW(Catalogue::Change(catalogue, "a"));
  EXPECT_NE(catalogue.find("a"), nullptr);
  catalogue.erase("a");
  EXPECT_EQ(catalogue.find("a"), nullptr);
}

Bytes spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

Bytes base64url_decoded(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return *from_base64(text);
}

EvpPkey rsa_public_key(const Bytes& modulus, const Bytes& exponent) {
  // OSSL_PARAM has integers in the machine's order.
  Bytes n(modulus.rbegin(), modulus.rend()), e(exponent.rbegin(), exponent.rend());
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_BN("n", n.data(), n.size()),
                                   OSSL_PARAM_construct_BN("e", e.data(), e.size()),
                                   OSSL_PARAM_construct_end()};
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(context.get());
  EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters));
  return EvpPkey(key);
}

TEST(Jwk, HasTheMembersAndThumbprintOfRfc7638) {
  const EvpPkey key(EVP_EC_gen("P-256"));
  const Bytes spki = spki_of(key.get());
  const json::object jwk = to_jwk(spki);
  EXPECT_EQ(jwk.at("kty").as_string(), "EC");
  EXPECT_EQ(jwk.at("crv").as_string(), "P-256");
  EXPECT_EQ(jwk.at("x").as_string().size(), 43u);
  const std::string members = R"({"crv":"P-256","kty":"EC","x":")" +
                              std::string(jwk.at("x").as_string()) + R"(","y":")" +
                              std::string(jwk.at("y").as_string()) + "\"}";
  EXPECT_EQ(jwk_thumbprint(spki), to_base64url(sha256(members)));
  const EvpPkey larger(EVP_EC_gen("P-384"));
  const json::object p384 = to_jwk(spki_of(larger.get()));
  EXPECT_EQ(p384.at("crv").as_string(), "P-384");
  EXPECT_EQ(p384.at("y").as_string().size(), 64u);
  const EvpPkey other(EVP_EC_gen("P-521"));
  EXPECT_EQ(kind_of([&] { to_jwk(spki_of(other.get())); }), ErrorKind::unsupported);
}

// RFC 7638 §3.1's example.
TEST(Jwk, OfAnRsaKeyHasTheThumbprintOfTheRfcsExample) {
  const std::string n =
      "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
      "BJECPebWK"
      "RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
      "FDW2QvzqY368QQMic"
      "AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
      "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3"
      "XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const Bytes modulus = base64url_decoded(n);
  const Bytes exponent{1, 0, 1};
  const EvpPkey key = rsa_public_key(modulus, exponent);
  const json::object jwk = to_jwk(spki_of(key.get()));
  EXPECT_EQ(jwk.at("kty").as_string(), "RSA");
  EXPECT_EQ(jwk.at("n").as_string(), n);
  EXPECT_EQ(jwk.at("e").as_string(), "AQAB");
  EXPECT_EQ(jwk_thumbprint(spki_of(key.get())), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

EvpPkey ed25519_public_key(std::string_view x) {
  const Bytes raw = base64url_decoded(std::string(x));
  return EvpPkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw.data(), raw.size()));
}

constexpr std::string_view kRfc8037Key = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";  // A.2

// RFC 8037 Appendix A.2 and A.3.
TEST(Jwk, OfAnEd25519KeyHasTheMembersAndThumbprintOfTheRfcsExample) {
  const EvpPkey key = ed25519_public_key(kRfc8037Key);
  EXPECT_EQ(json::serialize(to_jwk(spki_of(key.get()))),
            R"({"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  EXPECT_EQ(jwk_thumbprint(spki_of(key.get())), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  const EvpPkey other(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED448"));
  EXPECT_EQ(kind_of([&] { to_jwk(spki_of(other.get())); }), ErrorKind::unsupported);
}

// RFC 8037 Appendix A.4 and A.5.
TEST(Verify, AcceptsTheEd25519SignatureOfTheRfcsExampleAndNoOther) {
  const Bytes spki = spki_of(ed25519_public_key(kRfc8037Key).get());
  const Bytes message =
      to_be_signed(Algorithm::eddsa, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
  Bytes signature = base64url_decoded(
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  Verifier verifier;
  EXPECT_TRUE(verifier.verifies(spki, Algorithm::eddsa, message, signature));
  EXPECT_FALSE(verifier.verifies(spki, Algorithm::eddsa, sha256(message), signature));
  EXPECT_FALSE(verifier.verifies(spki, Algorithm::eddsa, message,
                                 ByteView(signature).first(signature.size() - 1)));
  signature[40] ^= 1;
  EXPECT_FALSE(verifier.verifies(spki, Algorithm::eddsa, message, signature));
  const EvpPkey ec(EVP_EC_gen("P-256"));
  EXPECT_EQ(
      kind_of([&] { verifier.verifies(spki_of(ec.get()), Algorithm::eddsa, message, signature); }),
      ErrorKind::internal);
}

TEST(Verify, AcceptsOnlyTheSignatureOfThatDigestAndKey) {
  const EvpPkey key(EVP_EC_gen("P-256"));
  const Sha256 digest = sha256("message");
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key.get(), nullptr));
  ASSERT_EQ(EVP_PKEY_sign_init(context.get()), 1);
  Bytes der(80);
  std::size_t size = der.size();
  ASSERT_EQ(EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()), 1);
  der.resize(size);
  Bytes raw = ecdsa_der_to_raw(der, 32);
  const Bytes spki = spki_of(key.get());
  Verifier verifier;
  EXPECT_TRUE(verifier.verifies(spki, Algorithm::es256, digest, raw));
  EXPECT_FALSE(verifier.verifies(spki, Algorithm::es256, sha256("other"), raw));
  raw[5] ^= 1;
  EXPECT_FALSE(verifier.verifies(spki, Algorithm::es256, digest, raw));

  EXPECT_EQ(verifier.kept(), 1U);
  verifier.forget(spki);
  EXPECT_EQ(verifier.kept(), 0U);
}

}  // namespace
}  // namespace holdfast
