#include "pkcs11/stranger.h"

#include <utility>

#include "daemon/base/error.h"

namespace holdfast::pkcs11 {
namespace {

class Stranger final : public Backend {
 public:
  Stranger(DeviceDescription device, std::string name)
      : device_(std::move(device)), name_(std::move(name)) {}

  const DeviceDescription& describe() const override { return device_; }
  DeviceKey create(KeyType) override { refuse(); }
  DeviceKey import_secret(const Secret&) override { refuse(); }
  DeviceKey import_private_key(KeyType, const Secret&) override { refuse(); }
  Bytes sign(ByteView, Algorithm, ByteView, const Meanwhile&) override { refuse(); }
  Secret mac(ByteView, const std::vector<Bytes>&) override { refuse(); }
  void remove(ByteView) override { refuse(); }
  void check() override { refuse(); }

 private:
  [[noreturn]] void refuse() const {
    throw Error(ErrorKind::device_unavailable,
                "the token is another than the one on record, and is not given the PIN; if it is "
                "meant: `holdfast device accept " +
                    name_ + "`");
  }

  DeviceDescription device_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Backend> stranger(DeviceDescription device, const std::string& name) {
  return std::make_unique<Stranger>(std::move(device), name);
}

}  // namespace holdfast::pkcs11
