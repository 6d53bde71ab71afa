#include "tpm/duplicate.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "tpm/error.h"
#include "tpm/handles.h"
#include "tpm/public_area.h"

namespace holdfast::tpm {
namespace {

using namespace std::string_view_literals;

using Kdf = std::unique_ptr<EVP_KDF, OpensslFree<EVP_KDF_free>>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, OpensslFree<EVP_KDF_CTX_free>>;
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, OpensslFree<EVP_CIPHER_CTX_free>>;

constexpr std::size_t kSeedBytes = 32;  // nameAlg's digest, Part 1 §23.3.2.3
// Part 1 §11.4.10.3: labels of KDFe and OAEP end with a NUL that counts.
constexpr std::string_view kDuplicate = "DUPLICATE\0"sv;

OSSL_PARAM octets(const char* name, ByteView bytes) {
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()),
                                           bytes.size());
}
OSSL_PARAM text(const char* name, const char* value) {
  return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
}

Secret derive(const char* algorithm, const OSSL_PARAM* parameters, std::size_t size) {
  const Kdf kdf(EVP_KDF_fetch(nullptr, algorithm, nullptr));
  const KdfContext context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  Secret key(size);
  if (!context || EVP_KDF_derive(context.get(), key.writable().data(), size, parameters) != 1)
    throw_openssl("EVP_KDF_derive");
  return key;
}

// Part 1 §11.4.10.2, which is SP 800-108 in counter mode.
Secret kdfa(const Secret& seed, std::string_view label, ByteView context, std::size_t size) {
  const OSSL_PARAM parameters[] = {
      text(OSSL_KDF_PARAM_MODE, "counter"),
      text(OSSL_KDF_PARAM_MAC, "HMAC"),
      text(OSSL_KDF_PARAM_DIGEST, "SHA256"),
      octets(OSSL_KDF_PARAM_KEY, seed.view()),
      octets(OSSL_KDF_PARAM_SALT, as_bytes(label)),
      octets(OSSL_KDF_PARAM_INFO, context),
      OSSL_PARAM_construct_end(),
  };
  return derive("KBKDF", parameters, size);
}

// Part 1 §11.4.10.3, which is SP 800-56A's one-step derivation.
Secret kdfe(const Secret& shared, ByteView info) {
  const OSSL_PARAM parameters[] = {
      text(OSSL_KDF_PARAM_DIGEST, "SHA256"),
      octets(OSSL_KDF_PARAM_KEY, shared.view()),
      octets(OSSL_KDF_PARAM_INFO, info),
      OSSL_PARAM_construct_end(),
  };
  return derive("SSKDF", parameters, kSeedBytes);
}

[[noreturn]] void refuse_parent() {
  throw Error(ErrorKind::unsupported,
              "private keys can't be wrapped for this TPM's storage root key, because of its "
              "algorithms; make one of the usual template persistent at 0x81000001");
}

struct Curve {
  const char* group;
  std::size_t width;
};
Curve curve_of(TPM2_ECC_CURVE curve) {
  if (curve == TPM2_ECC_NIST_P256) return {"prime256v1", 32};
  if (curve == TPM2_ECC_NIST_P384) return {"secp384r1", 48};
  refuse_parent();
}

EvpPkey public_key(const Curve& curve, const TPMS_ECC_POINT& at) {
  Bytes point{0x04};
  for (const TPM2B_ECC_PARAMETER* coordinate : {&at.x, &at.y}) {
    const Bytes bytes = padded(*coordinate, curve.width);
    point.insert(point.end(), bytes.begin(), bytes.end());
  }
  OSSL_PARAM parameters[] = {
      text(OSSL_PKEY_PARAM_GROUP_NAME, curve.group),
      octets(OSSL_PKEY_PARAM_PUB_KEY, point),
      OSSL_PARAM_construct_end(),
  };
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* raw = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    throw_openssl("EVP_PKEY_fromdata");
  return EvpPkey(raw);
}

Secret shared_x(EVP_PKEY* ours, EVP_PKEY* theirs) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(ours, nullptr));
  std::size_t size = 0;
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), theirs) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1)
    throw_openssl("EVP_PKEY_derive");
  Secret shared(size);
  if (EVP_PKEY_derive(context.get(), shared.writable().data(), &size) != 1 || size != shared.size())
    throw_openssl("EVP_PKEY_derive");
  return shared;
}

void fill_coordinate(TPM2B_ECC_PARAMETER& out, ByteView bytes) {
  out.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.buffer);
}

// Part 1 §C.6.3: one-pass Diffie-Hellman with a key that is made for it and thrown away.
Secret share_by_ecdh(const TPMT_PUBLIC& parent, TPM2B_ENCRYPTED_SECRET& out) {
  const Curve curve = curve_of(parent.parameters.eccDetail.curveID);
  const EvpPkey theirs = public_key(curve, parent.unique.ecc);
  const EvpPkey ours(EVP_EC_gen(curve.group));
  Bytes point(1 + 2 * curve.width);
  std::size_t size = 0;
  if (!ours ||
      EVP_PKEY_get_octet_string_param(ours.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                      point.size(), &size) != 1 ||
      size != point.size() || point[0] != 0x04)
    throw_openssl("EVP_EC_gen");
  TPMS_ECC_POINT ephemeral{};
  const ByteView coordinates = ByteView(point).subspan(1);
  fill_coordinate(ephemeral.x, coordinates.first(curve.width));
  fill_coordinate(ephemeral.y, coordinates.last(curve.width));
  std::size_t offset = 0;
  check_rc("Tss2_MU_TPMS_ECC_POINT_Marshal",
           Tss2_MU_TPMS_ECC_POINT_Marshal(&ephemeral, out.secret, sizeof(out.secret), &offset));
  out.size = static_cast<UINT16>(offset);

  Bytes info(kDuplicate.begin(), kDuplicate.end());
  info.insert(info.end(), ephemeral.x.buffer, ephemeral.x.buffer + ephemeral.x.size);
  const TPM2B_ECC_PARAMETER& x = parent.unique.ecc.x;
  info.insert(info.end(), x.buffer, x.buffer + x.size);
  return kdfe(shared_x(ours.get(), theirs.get()), info);
}

// Part 1 §B.10.3: OAEP with nameAlg and the label.
Secret share_by_rsa(const TPM2B_PUBLIC& parent, TPM2B_ENCRYPTED_SECRET& out) {
  const UINT32 exponent = parent.publicArea.parameters.rsaDetail.exponent;
  if (exponent != 0 && exponent != 65537) refuse_parent();
  const EvpPkey theirs = public_key_from_spki(subject_public_key_info(parent));
  Secret seed(kSeedBytes);
  if (RAND_priv_bytes(seed.writable().data(), static_cast<int>(kSeedBytes)) != 1)
    throw_openssl("RAND_priv_bytes");
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(theirs.get(), nullptr));
  void* label = OPENSSL_memdup(kDuplicate.data(), kDuplicate.size());
  std::size_t size = sizeof(out.secret);
  if (!context || EVP_PKEY_encrypt_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) != 1 ||
      EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), label, kDuplicate.size()) != 1 ||
      EVP_PKEY_encrypt(context.get(), out.secret, &size, seed.view().data(), seed.size()) != 1)
    throw_openssl("EVP_PKEY_encrypt");
  out.size = static_cast<UINT16>(size);
  return seed;
}

Secret share(const TPM2B_PUBLIC& parent, TPM2B_ENCRYPTED_SECRET& out) {
  if (parent.publicArea.type == TPM2_ALG_ECC) return share_by_ecdh(parent.publicArea, out);
  if (parent.publicArea.type == TPM2_ALG_RSA) return share_by_rsa(parent, out);
  refuse_parent();
}

Bytes encrypt(const Secret& key, ByteView plain) {
  const EVP_CIPHER* cipher = key.size() == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128();
  const std::uint8_t zeros[EVP_MAX_IV_LENGTH] = {};  // Part 1 §23.3.2.4: the key is used once
  const CipherContext context(EVP_CIPHER_CTX_new());
  Bytes sealed(plain.size());
  int size = 0;
  if (!context ||
      EVP_EncryptInit_ex2(context.get(), cipher, key.view().data(), zeros, nullptr) != 1 ||
      EVP_EncryptUpdate(context.get(), sealed.data(), &size, plain.data(),
                        static_cast<int>(plain.size())) != 1 ||
      static_cast<std::size_t>(size) != plain.size())
    throw_openssl("EVP_EncryptUpdate");
  return sealed;
}

// Of the symmetric key that the parent protects its children with.
std::size_t key_bytes_of(const TPMT_PUBLIC& parent) {
  const TPMT_SYM_DEF_OBJECT& symmetric = parent.type == TPM2_ALG_ECC
                                             ? parent.parameters.eccDetail.symmetric
                                             : parent.parameters.rsaDetail.symmetric;
  const UINT16 bits = symmetric.keyBits.aes;
  if (parent.nameAlg != TPM2_ALG_SHA256 || symmetric.algorithm != TPM2_ALG_AES ||
      symmetric.mode.aes != TPM2_ALG_CFB || (bits != 128 && bits != 256))
    refuse_parent();
  return bits / 8;
}

}  // namespace

Duplicate wrap(const TPM2B_PUBLIC& parent, ByteView name, const TPM2B_SENSITIVE& sensitive) {
  const std::size_t key_bytes = key_bytes_of(parent.publicArea);
  Duplicate duplicate{};
  const Secret seed = share(parent, duplicate.seed);

  Secret plain(sizeof(sensitive));
  std::size_t size = 0;
  check_rc(
      "Tss2_MU_TPM2B_SENSITIVE_Marshal",
      Tss2_MU_TPM2B_SENSITIVE_Marshal(&sensitive, plain.writable().data(), plain.size(), &size));
  Bytes sealed = encrypt(kdfa(seed, "STORAGE", name, key_bytes), plain.view().first(size));
  const std::size_t sealed_size = sealed.size();
  sealed.insert(sealed.end(), name.begin(), name.end());
  const Secret tag = hmac_sha256(kdfa(seed, "INTEGRITY", {}, kSeedBytes).view(), sealed);
  sealed.resize(sealed_size);

  TPM2B_DIGEST integrity{};
  integrity.size = static_cast<UINT16>(tag.size());
  std::copy(tag.view().begin(), tag.view().end(), integrity.buffer);
  std::size_t offset = 0;
  check_rc("Tss2_MU_TPM2B_DIGEST_Marshal",
           Tss2_MU_TPM2B_DIGEST_Marshal(&integrity, duplicate.wrapped.buffer,
                                        sizeof(duplicate.wrapped.buffer), &offset));
  if (offset + sealed.size() > sizeof(duplicate.wrapped.buffer))
    throw Error(ErrorKind::internal, "the wrapped key is larger than TPM2_Import takes");
  std::copy(sealed.begin(), sealed.end(), duplicate.wrapped.buffer + offset);
  duplicate.wrapped.size = static_cast<UINT16>(offset + sealed.size());
  return duplicate;
}

}  // namespace holdfast::tpm
