#include "tpm/backend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "daemon/base/openssl.h"
#include "tpm/algorithms.h"
#include "tpm/handles.h"
#include "tpm/key_file.h"
#include "tpm/objects.h"
#include "tpm/probe.h"
#include "tpm/srk.h"

namespace holdfast::tpm {
namespace {

constexpr std::size_t kLongestSecret = 128;
constexpr std::size_t kHmacBlock = 64;  // FIPS 180-4 §1, SHA-256
constexpr std::size_t kMostLinks = 8;
constexpr std::size_t kLongestMessage = 1024;  // also TPM2_MAX_DIGEST_BUFFER

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorKind::invalid_request, std::move(detail));
}

template <class Buffer>
void fill(Buffer& out, ByteView bytes) {
  out.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.buffer);
}

class TpmBackend final : public Backend {
 public:
  explicit TpmBackend(const std::string& tcti)
      : tcti_(tcti),
        esys_(started(tcti_)),
        device_(probe(esys_.get(), tcti)),
        srk_(open_srk(esys_.get())),
        objects_(esys_.get(), srk_.object.get()) {
    device_.parent_name = to_hex(srk_.name);
  }

  const DeviceDescription& describe() const override { return device_; }
  DeviceKey create(KeyType type) override;
  DeviceKey import_secret(const Secret& secret) override;
  DeviceKey import_private_key(KeyType, const Secret&) override {
    throw Error(ErrorKind::unsupported, "the TPM backend takes no private keys yet");
  }
  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest) override;
  Secret mac(ByteView object, const std::vector<Bytes>& chain) override;
  void remove(ByteView object) override { objects_.forget(object); }
  void check() override { device_.lockout_counter = lockout_counter(esys_.get()); }

 private:
  static Context started(const Tcti& tcti) {
    Context esys(tcti);
    start_up(esys.get());
    flush_leftovers(esys.get());
    return esys;
  }
  void demand(KeyType type) const;
  DeviceKey seal(KeyType type, const TPM2B_SENSITIVE_CREATE& sensitive);

  Tcti tcti_;
  Context esys_;
  DeviceDescription device_;
  Srk srk_;
  Objects objects_;
};

void TpmBackend::demand(KeyType type) const {
  if (std::find(device_.types.begin(), device_.types.end(), type) == device_.types.end())
    throw Error(ErrorKind::unsupported,
                "this TPM can't hold a key of type " + std::string(to_string(type)));
}

// TPM 2.0 Part 3 §12.1: the TPM wraps the new key for its parent and keeps nothing.
DeviceKey TpmBackend::seal(KeyType type, const TPM2B_SENSITIVE_CREATE& sensitive) {
  objects_.make_room();
  const TPM2B_PUBLIC area = *public_template(type);
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION pcrs{};
  Returned<TPM2B_PRIVATE> wrapped;
  Returned<TPM2B_PUBLIC> made;
  run("Esys_Create", [&] {
    return Esys_Create(esys_.get(), srk_.object.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                       &sensitive, &area, &outside, &pcrs, wrapped.out(), made.out(), nullptr,
                       nullptr, nullptr);
  });
  if (type_of(*made) != type)
    throw Error(ErrorKind::internal, "the TPM made another key than it was asked for",
                "Esys_Create");
  const std::string pem = to_pem({srk_.parent, *made, *wrapped});
  return {Bytes(pem.begin(), pem.end()), subject_public_key_info(*made)};
}

DeviceKey TpmBackend::create(KeyType type) {
  if (type == KeyType::hmac_sha256)
    throw Error(ErrorKind::unsupported,
                "an hmac-sha256 key can only be imported: nobody could share a made one");
  demand(type);
  return seal(type, {});
}

DeviceKey TpmBackend::import_secret(const Secret& secret) {
  if (secret.empty() || secret.size() > kLongestSecret) refuse("a secret has 1 to 128 bytes");
  demand(KeyType::hmac_sha256);

  Zeroed<TPM2B_SENSITIVE_CREATE> sensitive;
  if (secret.size() <= kHmacBlock) {
    fill(sensitive.value.sensitive.data, secret.view());
  } else {
    Zeroed<Sha256> key;
    key.value = sha256(secret.view());
    fill(sensitive.value.sensitive.data, key.value);
  }
  DeviceKey key = seal(KeyType::hmac_sha256, sensitive.value);

  // ESAPI keeps the last command's input and bytes, and has no call that zeroes them; the same
  // command with the longest secret, all zeros, covers both.
  Zeroed<TPM2B_SENSITIVE_CREATE> zeros;
  zeros.value.sensitive.data.size = kHmacBlock;
  seal(KeyType::hmac_sha256, zeros.value);
  return key;
}

Bytes TpmBackend::sign(ByteView object, Algorithm algorithm, ByteView digest) {
  const TPMT_SIG_SCHEME scheme = signature_scheme(algorithm);
  if (digest.size() != digest_bytes(algorithm))
    refuse("the digest for " + std::string(to_string(algorithm)) + " has " +
           std::to_string(digest_bytes(algorithm)) + " bytes");
  const auto [handle, type] = objects_.use(object);
  if (algorithm_of(type) != algorithm)
    refuse("a key of type " + std::string(to_string(type)) + " does not sign with " +
           std::string(to_string(algorithm)));

  TPM2B_DIGEST input{};
  fill(input, digest);
  // Part 3 §20.2: an unrestricted key signs any digest, so the ticket is a null one.
  const TPMT_TK_HASHCHECK ticket{TPM2_ST_HASHCHECK, TPM2_RH_NULL, {}};
  Returned<TPMT_SIGNATURE> signature;
  run("Esys_Sign", [&, key = handle] {
    return Esys_Sign(esys_.get(), key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &input,
                     &scheme, &ticket, signature.out());
  });
  return raw_signature(*signature, algorithm);
}

// Only the first link needs the key; the others are keyed with a result, and software is as good
// there.
Secret TpmBackend::mac(ByteView object, const std::vector<Bytes>& chain) {
  if (chain.empty() || chain.size() > kMostLinks) refuse("a chain has 1 to 8 messages");
  for (const Bytes& message : chain)
    if (message.size() > kLongestMessage) refuse("a message of a chain has at most 1024 bytes");
  const auto [handle, type] = objects_.use(object);
  if (type != KeyType::hmac_sha256)
    refuse("a key of type " + std::string(to_string(type)) +
           " makes no message authentication code");

  TPM2B_MAX_BUFFER input{};
  fill(input, chain.front());
  Returned<TPM2B_DIGEST> output;
  run("Esys_HMAC", [&, key = handle] {
    return Esys_HMAC(esys_.get(), key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &input,
                     TPM2_ALG_SHA256, output.out());
  });
  if (output->size != sizeof(Sha256))
    throw Error(ErrorKind::internal, "the TPM gave a short HMAC", "Esys_HMAC");
  Secret link(ByteView{output->buffer, output->size});
  for (std::size_t i = 1; i < chain.size(); ++i) link = hmac_sha256(link.view(), chain[i]);
  return link;
}

}  // namespace

std::unique_ptr<Backend> open(const std::string& tcti) {
  ::setenv("TSS2_LOG", "all+none", 0);
  return std::make_unique<TpmBackend>(tcti);
}

}  // namespace holdfast::tpm
