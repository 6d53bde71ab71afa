// The certificates of a key's versions: whose they are, and how they are kept.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/key/store.h"
#include "tests/support/folder.h"
#include "tests/unit/certificates.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class KeyCertificate : public ::testing::Test {
 protected:
  KeyCertificate() {
    key_.name = "k";
    key_.use = KeyUse::roles_anywhere;
    key_.device = "tpm";
    key_ = with_version(key_, version(first_), VersionState::active);
  }

  static KeyVersion version(const EvpPkey& pair) {
    KeyVersion made;
    made.kid = "kid";
    made.object = {'b', 'l', 'o', 'b'};
    made.public_key = test::spki_of(pair.get());
    return made;
  }
  static Certificate certificate_of(const EvpPkey& pair, const std::string& serial = "1") {
    return read_certificate(test::certificate(pair.get(), pair.get(), {.serial = serial}));
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ / "keys/k"))
      if (entry.path().extension() == ".crt") names.push_back(entry.path());
    return names;
  }

  const test::Folder folder_;
  const EvpPkey first_ = test::new_pair(), second_ = test::new_pair();
  Key key_;
};

TEST_F(KeyCertificate, GoesToTheVersionWhoseKeyItIsFor) {
  const Key two = with_version(key_, version(second_), VersionState::pending);
  const auto [changed, number] = with_certificate(two, certificate_of(second_));
  EXPECT_EQ(number, 2u);
  EXPECT_FALSE(changed.versions[0].certificate);
  EXPECT_EQ(changed.versions[1].certificate->serial, "1");
  EXPECT_EQ(
      with_certificate(changed, certificate_of(second_, "2")).first.versions[1].certificate->serial,
      "2");
  EXPECT_THROW(with_certificate(key_, certificate_of(second_)), Error);
}

TEST_F(KeyCertificate, IsThereBeforeALaterVersionSigns) {
  EXPECT_THROW(with_version(key_, version(second_), VersionState::active), Error);
  const Key two = with_version(key_, version(second_), VersionState::pending);
  EXPECT_THROW(activated(two, 2), Error);
  const Key certified = with_certificate(two, certificate_of(second_)).first;
  EXPECT_EQ(activated(certified, 2).active()->number, 2u);
}

TEST_F(KeyCertificate, IsKeptAndTheFormerIsNot) {
  const Store store(folder_ / "keys");
  store.create(key_);
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(write_metadata(key_).find("certificate"), std::string::npos)
      << "earlier releases read a key without one";
  for (const char* serial : {"1", "2"}) {
    store.update(with_certificate(key_, certificate_of(first_, serial)).first);
    const std::vector<Key> keys = store.load();
    ASSERT_EQ(keys.at(0).damage, "");
    EXPECT_EQ(keys[0].versions[0].certificate->serial, serial);
    EXPECT_EQ(files().size(), 1u);
  }
}

TEST_F(KeyCertificate, IsWrittenAnewOverWhatAnInterruptedUpdateLeft) {
  const Store store(folder_ / "keys");
  store.create(key_);
  const Key certified = with_certificate(key_, certificate_of(first_)).first;
  store.update(certified);
  const std::string file = files().at(0);
  store.update(key_);
  EXPECT_TRUE(files().empty());
  std::ofstream(file) << "half";
  store.update(certified);
  EXPECT_EQ(store.load().at(0).damage, "");
}

TEST_F(KeyCertificate, IsMissedWhateverBitOfItsFileIsFlipped) {
  const Store store(folder_ / "keys");
  Key other = key_;
  other.name = "other";
  store.create(other);
  store.create(key_);
  store.update(with_certificate(key_, certificate_of(first_)).first);
  const std::string file = files().at(0);
  const std::string original = read_file(file, 1 << 20);
  for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
    std::string changed = original;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    std::ofstream(file, std::ios::trunc) << changed;
    for (const Key& key : store.load()) EXPECT_EQ(key.damage.empty(), key.name == "other") << bit;
  }
  fs::remove(file);
  for (const Key& key : store.load()) EXPECT_EQ(key.damage.empty(), key.name == "other");
}

}  // namespace
}  // namespace holdfast
