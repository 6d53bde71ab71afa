// Every backend there is.
#include "pkcs11/backend.h"
#include "tests/contract/backend_test.h"
#include "tests/contract/linked_backend.h"
#include "tests/contract/test_tpm.h"
#include "tests/support/fake_backend.h"
#include "tests/support/softhsm.h"
#include "tpm/backend.h"

namespace holdfast::test {
namespace {

class FakeDevices final : public Devices {
  std::unique_ptr<Backend> open() override { return mine_->open(); }
  std::unique_ptr<Backend> open_other() override { return other_->open(); }
  std::shared_ptr<FakeDevice> mine_ = FakeDevice::make(), other_ = FakeDevice::make();
};

class TpmDevices final : public Devices {
  std::unique_ptr<Backend> open() override { return tpm::open(mine_.tcti()); }
  std::unique_ptr<Backend> open_other() override { return tpm::open(other_.tcti()); }
  TestTpm mine_;
  Swtpm other_;
};

class EncryptedTpmDevices final : public Devices {
  std::unique_ptr<Backend> open() override { return open(mine_.tcti()); }
  std::unique_ptr<Backend> open_other() override { return open(other_.tcti()); }
  static std::unique_ptr<Backend> open(const std::string& tcti) {
    return tpm::open(tcti, tpm::Sessions::encrypted);
  }
  TestTpm mine_;
  Swtpm other_;
};

class LinkedDevices final : public Devices {
  std::unique_ptr<Backend> open() override { return open(mine_.tcti()); }
  std::unique_ptr<Backend> open_other() override { return open(other_.tcti()); }
  static std::unique_ptr<Backend> open(const std::string& tcti) {
    return open_linked({"--backend", "tpm", "--tcti", tcti});
  }
  TestTpm mine_;
  Swtpm other_;
};

class SoftHsmDevices final : public Devices {
 public:
  SoftHsmDevices() {
    hsm_.add("mine");
    hsm_.add("other");
  }

 private:
  std::unique_ptr<Backend> open() override { return open("mine"); }
  std::unique_ptr<Backend> open_other() override { return open("other"); }
  static std::unique_ptr<Backend> open(const std::string& label) {
    return pkcs11::open(
        {SoftHsm::module(), SoftHsm::uri(label), Secret(as_bytes(SoftHsm::kPin)), 0});
  }
  SoftHsm hsm_;
};

class LinkedSoftHsmDevices final : public Devices {
 public:
  LinkedSoftHsmDevices() {
    hsm_.add("mine");
    hsm_.add("other");
  }

 private:
  std::unique_ptr<Backend> open() override { return open("mine"); }
  std::unique_ptr<Backend> open_other() override { return open("other"); }
  std::unique_ptr<Backend> open(const std::string& label) {
    return open_linked({"--backend", "pkcs11", "--module", SoftHsm::module(), "--uri",
                        SoftHsm::uri(label), "--pin-file", hsm_.pin_file(), "--writable",
                        hsm_.folder()});
  }
  SoftHsm hsm_;
};

template <class Kind>
std::unique_ptr<Devices> make() {
  return std::make_unique<Kind>();
}

INSTANTIATE_TEST_SUITE_P(Fake, BackendContract, testing::Values(Subject{make<FakeDevices>}));
INSTANTIATE_TEST_SUITE_P(Tpm, BackendContract,
                         testing::Values(Subject{make<TpmDevices>, "swtpm", "swtpm"}));
INSTANTIATE_TEST_SUITE_P(Encrypted, BackendContract,
                         testing::Values(Subject{make<EncryptedTpmDevices>, "swtpm", "swtpm",
                                                 true}));
INSTANTIATE_TEST_SUITE_P(Process, BackendContract,
                         testing::Values(Subject{make<LinkedDevices>, "swtpm", "swtpm"}));
INSTANTIATE_TEST_SUITE_P(Fake, AnchorContract, testing::Values(Subject{make<FakeDevices>}));
INSTANTIATE_TEST_SUITE_P(Tpm, AnchorContract,
                         testing::Values(Subject{make<TpmDevices>, "swtpm", "swtpm"}));
INSTANTIATE_TEST_SUITE_P(Encrypted, AnchorContract,
                         testing::Values(Subject{make<EncryptedTpmDevices>, "swtpm", "swtpm",
                                                 true}));
INSTANTIATE_TEST_SUITE_P(Process, AnchorContract,
                         testing::Values(Subject{make<LinkedDevices>, "swtpm", "swtpm"}));
constexpr Subject kSoftHsm{make<SoftHsmDevices>, "softhsm2-util", "softhsm2"};
constexpr Subject kLinkedSoftHsm{make<LinkedSoftHsmDevices>, "softhsm2-util", "softhsm2"};
INSTANTIATE_TEST_SUITE_P(SoftHsm, BackendContract, testing::Values(kSoftHsm));
INSTANTIATE_TEST_SUITE_P(SoftHsm, EnrollerContract, testing::Values(kSoftHsm));
INSTANTIATE_TEST_SUITE_P(HsmProcess, BackendContract, testing::Values(kLinkedSoftHsm));
INSTANTIATE_TEST_SUITE_P(HsmProcess, EnrollerContract, testing::Values(kLinkedSoftHsm));
INSTANTIATE_TEST_SUITE_P(HsmProcess, NoAnchorContract, testing::Values(kLinkedSoftHsm));

}  // namespace
}  // namespace holdfast::test
