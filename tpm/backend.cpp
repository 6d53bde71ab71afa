#include "tpm/backend.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "daemon/base/openssl.h"
#include "daemon/key/demands.h"
#include "tpm/algorithms.h"
#include "tpm/duplicate.h"
#include "tpm/handles.h"
#include "tpm/key_file.h"
#include "tpm/nv.h"
#include "tpm/objects.h"
#include "tpm/probe.h"
#include "tpm/public_area.h"
#include "tpm/sensitive.h"
#include "tpm/session.h"
#include "tpm/srk.h"

namespace holdfast::tpm {
namespace {

constexpr std::size_t kHmacBlock = 64;  // FIPS 180-4 §1, SHA-256

template <class Buffer>
void fill(Buffer& out, ByteView bytes) {
  out.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.buffer);
}

class TpmBackend final : public Backend, public Anchor {
 public:
  TpmBackend(const std::string& tcti, Sessions sessions, std::uint32_t anchor_index)
      : tcti_(tcti),
        esys_(started(tcti_)),
        device_(probe(esys_.get(), tcti)),
        srk_(open_srk(esys_.get())),
        session_(esys_.get(), srk_.object.get(),
                 sessions == Sessions::encrypted ||
                     (sessions == Sessions::automatic && !device_.software)),
        objects_(esys_.get(), srk_.object.get(), session_),
        counter_(esys_.get(), session_, anchor_index) {
    device_.parent_name = to_hex(srk_.name);
    device_.encrypted_sessions = session_.always();
    device_.anchor = anchor_index != 0;
    session_.authorise(false);  // a TPM that can't is found now and not by a request
  }

  const DeviceDescription& describe() const override { return device_; }
  DeviceKey create(KeyType type) override;
  DeviceKey import_secret(const Secret& secret) override;
  DeviceKey import_private_key(KeyType type, const Secret& pkcs8) override;
  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest,
             const Meanwhile& meanwhile) override;
  Secret mac(ByteView object, const std::vector<Bytes>& chain) override;
  void remove(ByteView object) override { objects_.forget(object); }
  AnchorState read() override { return {counter_.read()}; }
  AnchorState increment() override { return {counter_.increment()}; }
  void check() override {
    session_.rest();
    device_.lockout_counter = lockout_counter(esys_.get());
  }

 private:
  static Context started(const Tcti& tcti) {
    Context esys(tcti);
    check_rc("Esys_SetTimeout", Esys_SetTimeout(esys.get(), TSS2_TCTI_TIMEOUT_BLOCK));
    start_up(esys.get());
    flush_leftovers(esys.get());
    return esys;
  }
  void demand(Algorithm algorithm) const;
  Bytes new_auth_if_any() const { return session_.always() ? new_auth() : Bytes(); }
  DeviceKey seal(KeyType type, TPM2B_SENSITIVE_CREATE& sensitive);
  DeviceKey made(const TPM2B_PUBLIC& area, const TPM2B_PRIVATE& wrapped, Bytes auth) const;

  Tcti tcti_;
  Context esys_;
  DeviceDescription device_;
  Srk srk_;
  Session session_;
  Objects objects_;
  NvCounter counter_;
};

void TpmBackend::demand(Algorithm algorithm) const {
  const auto& known = device_.algorithms;
  if (algorithm == Algorithm::ps256 && std::ranges::find(known, algorithm) == known.end())
    throw Error(
        ErrorKind::unsupported,
        "this TPM does not sign PS256: it makes no RSA-PSS signature, or one with another salt "
        "than RFC 7518 §3.5 demands; use RS256 or an EC key");
  demand_algorithm(device_, algorithm);
}

DeviceKey TpmBackend::made(const TPM2B_PUBLIC& area, const TPM2B_PRIVATE& wrapped,
                           Bytes auth) const {
  const std::string pem = to_pem({srk_.parent, area, wrapped, std::move(auth)});
  return {Bytes(pem.begin(), pem.end()), subject_public_key_info(area)};
}

// TPM 2.0 Part 3 §12.1: the TPM wraps the new key for its parent and keeps nothing. The auth value goes
// with the secret, in the parameter that a session encrypts.
DeviceKey TpmBackend::seal(KeyType type, TPM2B_SENSITIVE_CREATE& sensitive) {
  objects_.make_room();
  Bytes auth = new_auth_if_any();
  fill(sensitive.sensitive.userAuth, auth);
  const ESYS_TR session = session_.authorise(false);
  const TPM2B_PUBLIC area = *public_template(type);
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION pcrs{};
  Returned<TPM2B_PRIVATE> wrapped;
  Returned<TPM2B_PUBLIC> made_area;
  run("Esys_Create", [&] {
    return Esys_Create(esys_.get(), srk_.object.get(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                       &sensitive, &area, &outside, &pcrs, wrapped.out(), made_area.out(), nullptr,
                       nullptr, nullptr);
  });
  if (type_of(*made_area) != type)
    throw Error(ErrorKind::internal, "the TPM made another key than it was asked for",
                "Esys_Create");
  return made(*made_area, *wrapped, std::move(auth));
}

DeviceKey TpmBackend::create(KeyType type) {
  demand_makable(device_, type);
  Zeroed<TPM2B_SENSITIVE_CREATE> sensitive;
  return seal(type, sensitive.value);
}

DeviceKey TpmBackend::import_secret(const Secret& secret) {
  demand_size(secret);
  demand_type(device_, KeyType::hmac_sha256);

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

// TPM 2.0 Part 3 §13.3. The wrapper is made here, so that nothing of the key crosses in clear in plain
// sessions either; the auth value lies inside it.
DeviceKey TpmBackend::import_private_key(KeyType type, const Secret& pkcs8) {
  Bytes auth = new_auth_if_any();
  const Sensitive key(type, pkcs8, auth);
  demand_type(device_, type);
  const Duplicate duplicate =
      wrap(srk_.public_area, name_of(key.public_area), key.private_area.value);

  objects_.make_room();
  const ESYS_TR session = session_.authorise(false);
  const TPM2B_DATA no_inner_key{};
  const TPMT_SYM_DEF_OBJECT no_inner_wrapper{TPM2_ALG_NULL, {}, {}};
  Returned<TPM2B_PRIVATE> wrapped;
  run("Esys_Import", [&] {
    return Esys_Import(esys_.get(), srk_.object.get(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                       &no_inner_key, &key.public_area, &duplicate.wrapped, &duplicate.seed,
                       &no_inner_wrapper, wrapped.out());
  });
  return made(key.public_area, *wrapped, std::move(auth));
}

Bytes TpmBackend::sign(ByteView object, Algorithm algorithm, ByteView digest,
                       const Meanwhile& meanwhile) {
  demand(algorithm);
  const TPMT_SIG_SCHEME scheme = signature_scheme(algorithm);
  demand_size(algorithm, digest);
  const Objects::Loaded key = objects_.use(object, meanwhile);
  demand_signs(key.type, algorithm);

  TPM2B_DIGEST input{};
  fill(input, digest);
  // Part 3 §20.2: an unrestricted key signs any digest, so the ticket is a null one.
  const TPMT_TK_HASHCHECK ticket{TPM2_ST_HASHCHECK, TPM2_RH_NULL, {}};
  const ESYS_TR session = session_.authorise(key.has_auth, Session::Encrypt::command);
  Returned<TPMT_SIGNATURE> signature;
  check_use("Esys_Sign", submit([&] {
              TSS2_RC rc = Esys_Sign_Async(esys_.get(), key.handle, session, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &input, &scheme, &ticket);
              meanwhile();
              if (rc != TSS2_RC_SUCCESS) return rc;
              do {
                rc = Esys_Sign_Finish(esys_.get(), signature.out());
              } while (rc == TSS2_ESYS_RC_TRY_AGAIN);
              return rc;
            }));
  return raw_signature(*signature, key.type, algorithm);
}

// Only the first link needs the key; the others are keyed with a result, and software is as good
// there.
Secret TpmBackend::mac(ByteView object, const std::vector<Bytes>& chain) {
  demand_sizes(chain);
  const Objects::Loaded key = objects_.use(object);
  demand_makes_macs(key.type);

  TPM2B_MAX_BUFFER input{};
  fill(input, chain.front());
  const ESYS_TR session = session_.authorise(key.has_auth);
  Returned<TPM2B_DIGEST> output;
  check_use("Esys_HMAC", submit([&] {
              return Esys_HMAC(esys_.get(), key.handle, session, ESYS_TR_NONE, ESYS_TR_NONE, &input,
                               TPM2_ALG_SHA256, output.out());
            }));
  if (output->size != sizeof(Sha256))
    throw Error(ErrorKind::internal, "the TPM gave a short HMAC", "Esys_HMAC");
  Secret link(ByteView{output->buffer, output->size});
  for (std::size_t i = 1; i < chain.size(); ++i) link = hmac_sha256(link.view(), chain[i]);
  return link;
}

}  // namespace

std::unique_ptr<Backend> open(const std::string& tcti, Sessions sessions,
                              std::uint32_t anchor_index) {
  ::setenv("TSS2_LOG", "all+none", 0);
  return std::make_unique<TpmBackend>(tcti, sessions, anchor_index);
}

}  // namespace holdfast::tpm
