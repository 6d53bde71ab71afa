#include "tests/support/fake_backend.h"

#include <openssl/ec.h>

#include <thread>
#include <utility>

namespace holdfast::test {
namespace {

constexpr std::size_t kP256Bytes = 32;

[[noreturn]] void refuse(const char* detail) {
  throw Error(ErrorKind::invalid_request, detail, "fake");
}

Bytes public_key_of(EVP_PKEY* pair) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(pair, &der);
  if (size <= 0) throw_openssl("i2d_PUBKEY");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

}  // namespace

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(std::shared_ptr<FakeDevice> device) : device_(std::move(device)) {
    device_->begin_call();
    description_.backend = "fake";
    description_.model = "memory";
    description_.software = true;
    description_.parent_name = device_->name_;
    description_.types = {KeyType::ec_p256, KeyType::hmac_sha256};
    description_.algorithms = {Algorithm::es256};
    description_.commands_in_flight = 2;
    const std::lock_guard lock(device_->mutex_);
    description_.lockout_counter = device_->lockout_counter_;
  }

  const DeviceDescription& describe() const override { return description_; }

  DeviceKey create(KeyType type) override {
    device_->begin_call();
    if (type != KeyType::ec_p256)
      throw Error(ErrorKind::unsupported, "the fake makes ec-p256 keys", "fake");
    EvpPkey pair(EVP_EC_gen("P-256"));
    if (!pair) throw_openssl("EVP_EC_gen");
    Bytes public_key = public_key_of(pair.get());
    return {keep({std::move(pair), {}, type}), std::move(public_key)};
  }

  DeviceKey import_secret(const Secret& secret) override {
    device_->begin_call();
    if (secret.empty() || secret.size() > 128) refuse("a secret has 1 to 128 bytes");
    return {keep({nullptr, secret.clone(), KeyType::hmac_sha256}), {}};
  }

  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest) override {
    device_->begin_call();
    if (algorithm != Algorithm::es256)
      throw Error(ErrorKind::unsupported, "the fake signs ES256", "fake");
    if (digest.size() != digest_bytes(algorithm)) refuse("the digest has another size");
    Bytes data(digest.begin(), digest.end());
    if (device_->takes_spoiling()) data[0] ^= 1;
    const std::lock_guard lock(device_->mutex_);
    const auto& key = find(object);
    if (key.type != KeyType::ec_p256) refuse("the key does not sign with ES256");

    const EvpPkeyCtx context(EVP_PKEY_CTX_new(key.pair.get(), nullptr));
    Bytes der(static_cast<std::size_t>(EVP_PKEY_get_size(key.pair.get())));
    std::size_t size = der.size();
    if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
        EVP_PKEY_sign(context.get(), der.data(), &size, data.data(), data.size()) != 1)
      throw_openssl("EVP_PKEY_sign");
    der.resize(size);
    return ecdsa_der_to_raw(der, kP256Bytes);
  }

  Secret mac(ByteView object, const std::vector<Bytes>& chain) override {
    device_->begin_call();
    if (chain.empty() || chain.size() > 8) refuse("a chain has 1 to 8 messages");
    for (const Bytes& message : chain)
      if (message.size() > 1024) refuse("a message of a chain has at most 1024 bytes");
    const std::lock_guard lock(device_->mutex_);
    const auto& key = find(object);
    if (key.type != KeyType::hmac_sha256) refuse("the key makes no message authentication code");
    Secret link = key.secret.clone();
    for (const Bytes& message : chain) link = hmac_sha256(link.view(), message);
    return link;
  }

  void remove(ByteView object) override {
    device_->begin_call();
    const std::lock_guard lock(device_->mutex_);
    device_->keys_.erase(std::string(as_text(object)));
  }

  void check() override {
    device_->begin_call();
    const std::lock_guard lock(device_->mutex_);
    description_.lockout_counter = device_->lockout_counter_;
  }

 private:
  Bytes keep(FakeDevice::Key key) {
    Bytes name = random_bytes(32);
    const std::lock_guard lock(device_->mutex_);
    device_->keys_.emplace(as_text(name), std::move(key));
    return name;
  }

  const FakeDevice::Key& find(ByteView object) const {
    const auto found = device_->keys_.find(std::string(as_text(object)));
    if (found == device_->keys_.end())
      throw Error(ErrorKind::key_lost, "no such key on this device", "fake");
    return found->second;
  }

  std::shared_ptr<FakeDevice> device_;
  DeviceDescription description_;
};

std::shared_ptr<FakeDevice> FakeDevice::make() {
  return std::shared_ptr<FakeDevice>(new FakeDevice);
}
std::unique_ptr<Backend> FakeDevice::open() {
  return std::make_unique<FakeBackend>(shared_from_this());
}

void FakeDevice::begin_call() {
  std::unique_lock lock(mutex_);
  ++calls_;
  if (hang_) {
    ++hanging_;
    released_.wait(lock, [this] { return !hang_; });
    --hanging_;
  }
  const bool fails = failures_ > 0;
  if (fails) --failures_;
  const ErrorKind kind = failure_;
  const auto delay = delay_;
  lock.unlock();
  if (delay.count() != 0) std::this_thread::sleep_for(delay);
  if (fails) throw Error(kind, "a fault that the test asked for", "fake");
}

bool FakeDevice::takes_spoiling() {
  const std::lock_guard lock(mutex_);
  return spoilt_ > 0 && spoilt_-- > 0;
}

void FakeDevice::fail_next(int calls, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  failures_ = calls;
  failure_ = kind;
}

void FakeDevice::delay_each(std::chrono::milliseconds delay) {
  const std::lock_guard lock(mutex_);
  delay_ = delay;
}

void FakeDevice::spoil_next_signatures(int calls) {
  const std::lock_guard lock(mutex_);
  spoilt_ = calls;
}

void FakeDevice::hang() {
  const std::lock_guard lock(mutex_);
  hang_ = true;
}

void FakeDevice::release() {
  const std::lock_guard lock(mutex_);
  hang_ = false;
  released_.notify_all();
}

void FakeDevice::set_lockout_counter(std::uint32_t count) {
  const std::lock_guard lock(mutex_);
  lockout_counter_ = count;
}

int FakeDevice::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int FakeDevice::hanging() const {
  const std::lock_guard lock(mutex_);
  return hanging_;
}

}  // namespace holdfast::test
