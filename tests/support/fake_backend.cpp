#include "tests/support/fake_backend.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <thread>
#include <utility>

#include "daemon/key/pkcs8.h"

namespace holdfast::test {
namespace {

constexpr std::array kAlgorithms{Algorithm::es256, Algorithm::es384, Algorithm::rs256,
                                 Algorithm::ps256, Algorithm::eddsa};

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

EvpPkey generate(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
      return EvpPkey(EVP_EC_gen("P-256"));
    case KeyType::ec_p384:
      return EvpPkey(EVP_EC_gen("P-384"));
    case KeyType::rsa_2048:
      return EvpPkey(EVP_RSA_gen(2048));
    case KeyType::rsa_3072:
      return EvpPkey(EVP_RSA_gen(3072));
    case KeyType::ed25519:
      return EvpPkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    case KeyType::hmac_sha256:
      break;
  }
  throw Error(ErrorKind::unsupported, "the fake makes no secrets", "fake");
}

bool fits(KeyType type, Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256:
      return type == KeyType::ec_p256;
    case Algorithm::es384:
      return type == KeyType::ec_p384;
    case Algorithm::rs256:
    case Algorithm::ps256:
      return type == KeyType::rsa_2048 || type == KeyType::rsa_3072;
    case Algorithm::eddsa:
      return type == KeyType::ed25519;
  }
  return false;
}

bool is_size(Algorithm algorithm, std::size_t size) {
  return algorithm == Algorithm::eddsa ? size <= kMostEddsaMessageBytes
                                       : size == digest_bytes(algorithm);
}

Bytes sign_message(EVP_PKEY* pair, ByteView message) {
  Bytes signature(64);
  std::size_t size = signature.size();
  const EvpMdCtx context(EVP_MD_CTX_new());
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pair) != 1 ||
      EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
    throw_openssl("EVP_DigestSign");
  return signature;
}

bool set_padding(EVP_PKEY_CTX* context, Algorithm algorithm) {
  if (algorithm != Algorithm::rs256 && algorithm != Algorithm::ps256) return true;
  const bool pss = algorithm == Algorithm::ps256;
  return EVP_PKEY_CTX_set_rsa_padding(context, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) ==
             1 &&
         EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
         (!pss || EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
}

}  // namespace

class FakeBackend final : public Backend, public Enroller, public Anchor {
 public:
  explicit FakeBackend(std::shared_ptr<FakeDevice> device) : device_(std::move(device)) {
    device_->begin_call();
    description_.backend = "fake";
    description_.model = "memory";
    description_.software = true;
    description_.parent_name = device_->name_;
    description_.types = {KeyType::ec_p256,  KeyType::ec_p384,     KeyType::rsa_2048,
                          KeyType::rsa_3072, KeyType::hmac_sha256, KeyType::ed25519};
    description_.algorithms = device_->algorithms();
    const std::lock_guard lock(device_->mutex_);
    description_.parallel = device_->parallel_;
    description_.commands_in_flight = std::max(2U, device_->parallel_);
    description_.lockout_counter = device_->lockout_counter_;
    description_.anchor = true;
  }

  const DeviceDescription& describe() const override { return description_; }

  DeviceKey create(KeyType type) override {
    device_->begin_call();
    return keep_pair(generate(type), type);
  }

  DeviceKey import_secret(const Secret& secret) override {
    device_->begin_call();
    if (secret.empty() || secret.size() > 128) refuse("a secret has 1 to 128 bytes");
    return {keep({nullptr, secret.clone(), KeyType::hmac_sha256}), {}};
  }

  DeviceKey import_private_key(KeyType type, const Secret& pkcs8) override {
    device_->begin_call();
    return keep_pair(private_key_of(type, pkcs8), type);
  }

  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest,
             const Meanwhile& meanwhile) override {
    const Use use(*device_);
    meanwhile();
    device_->begin_call();
    const auto& known = description_.algorithms;
    if (std::find(known.begin(), known.end(), algorithm) == known.end())
      throw Error(ErrorKind::unsupported,
                  "the fake does not sign with " + std::string(to_string(algorithm)), "fake");
    if (!is_size(algorithm, digest.size())) refuse("the digest has another size");
    Bytes data(digest.begin(), digest.end());
    if (device_->takes_spoiling()) data.at(0) ^= 1;
    const std::lock_guard lock(device_->mutex_);
    const auto& key = find(object);
    if (!fits(key.type, algorithm)) refuse("the key does not sign with this algorithm");
    if (algorithm == Algorithm::eddsa) return sign_message(key.pair.get(), data);

    const EvpPkeyCtx context(EVP_PKEY_CTX_new(key.pair.get(), nullptr));
    Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(key.pair.get())));
    std::size_t size = signature.size();
    if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
        !set_padding(context.get(), algorithm) ||
        EVP_PKEY_sign(context.get(), signature.data(), &size, data.data(), data.size()) != 1)
      throw_openssl("EVP_PKEY_sign");
    signature.resize(size);
    if (EVP_PKEY_is_a(key.pair.get(), "RSA") == 1) return signature;
    return ecdsa_der_to_raw(signature, digest_bytes(algorithm));
  }

  Secret mac(ByteView object, const std::vector<Bytes>& chain) override {
    const Use use(*device_);
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
    const auto found = device_->keys_.find(std::string(as_text(object)));
    if (found != device_->keys_.end() && !found->second.enrolled) device_->keys_.erase(found);
  }

  void check() override {
    device_->begin_call();
    const std::lock_guard lock(device_->mutex_);
    description_.lockout_counter = device_->lockout_counter_;
  }

  EnrolledKey enrol(std::string_view uri) override {
    device_->begin_call();
    const std::lock_guard lock(device_->mutex_);
    const auto found = device_->keys_.find(std::string(uri));
    if (found == device_->keys_.end()) refuse("the URI fits no key");
    FakeDevice::Key& key = found->second;
    if (!key.strong)
      throw Error(ErrorKind::conflict, "CKA_EXTRACTABLE is true; it has to be false", "fake");
    key.enrolled = true;
    return {key.type,
            {{uri.begin(), uri.end()}, key.pair ? public_key_of(key.pair.get()) : Bytes()},
            key.always_secret};
  }

  AnchorState read() override {
    device_->begin_call();
    const std::lock_guard lock(device_->mutex_);
    return device_->anchor_;
  }

  AnchorState increment() override {
    device_->begin_call();
    const std::lock_guard lock(device_->mutex_);
    device_->anchor_.value = device_->anchor_.value.value_or(0) + 1;
    return device_->anchor_;
  }

 private:
  struct Use {
    explicit Use(FakeDevice& device) : device_(device) { device_.begin_use(); }
    ~Use() { device_.end_use(); }
    FakeDevice& device_;
  };

  DeviceKey keep_pair(EvpPkey pair, KeyType type) {
    if (!pair) throw_openssl("EVP_PKEY_Q_keygen");
    Bytes public_key = public_key_of(pair.get());
    return {keep({std::move(pair), {}, type}), std::move(public_key)};
  }

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
  const bool fails = failures_ > 0 && well_ == 0;
  if (fails) --failures_;
  if (well_ > 0) --well_;
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

void FakeDevice::begin_use() {
  const std::lock_guard lock(mutex_);
  most_at_once_ = std::max(most_at_once_, ++at_once_);
}

void FakeDevice::end_use() {
  const std::lock_guard lock(mutex_);
  --at_once_;
}

void FakeDevice::work_in_parallel(std::uint32_t count) {
  const std::lock_guard lock(mutex_);
  parallel_ = count;
}

std::string FakeDevice::place_key(KeyType type, bool always_secret, bool strong) {
  std::string uri = "pkcs11:object=" + to_hex(random_bytes(8));
  Key key{type == KeyType::hmac_sha256 ? EvpPkey() : generate(type), Secret(as_bytes("secret")),
          type};
  key.always_secret = always_secret;
  key.strong = strong;
  const std::lock_guard lock(mutex_);
  keys_.emplace(uri, std::move(key));
  return uri;
}

std::size_t FakeDevice::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_.size();
}

int FakeDevice::most_at_once() const {
  const std::lock_guard lock(mutex_);
  return most_at_once_;
}

void FakeDevice::fail_next(int calls, ErrorKind kind, int after) {
  const std::lock_guard lock(mutex_);
  failures_ = calls;
  well_ = after;
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

void FakeDevice::lacks(Algorithm algorithm) {
  const std::lock_guard lock(mutex_);
  lacked_.push_back(algorithm);
}

std::vector<Algorithm> FakeDevice::algorithms() const {
  const std::lock_guard lock(mutex_);
  std::vector<Algorithm> known;
  std::copy_if(kAlgorithms.begin(), kAlgorithms.end(), std::back_inserter(known),
               [this](Algorithm algorithm) {
                 return std::find(lacked_.begin(), lacked_.end(), algorithm) == lacked_.end();
               });
  return known;
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
