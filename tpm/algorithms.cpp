#include "tpm/algorithms.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <tss2/tss2_mu.h>

#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "tpm/error.h"

namespace holdfast::tpm {
namespace {

constexpr std::size_t kP256Bytes = 32;

constexpr TPMA_OBJECT kSigner = TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_FIXEDTPM |
                                TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA;

TPM2B_PUBLIC ec_p256_template() {
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_ECC;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = kSigner | TPMA_OBJECT_SENSITIVEDATAORIGIN;
  TPMS_ECC_PARMS& ecc = key.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = TPM2_ALG_ECDSA;
  ecc.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return area;
}

// sensitiveDataOrigin is clear because the secret comes from outside; it is fixed to this TPM all
// the same (TPM 2.0 Part 3 §12.1).
TPM2B_PUBLIC hmac_sha256_template() {
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_KEYEDHASH;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = kSigner;
  TPMT_KEYEDHASH_SCHEME& scheme = key.parameters.keyedHashDetail.scheme;
  scheme.scheme = TPM2_ALG_HMAC;
  scheme.details.hmac.hashAlg = TPM2_ALG_SHA256;
  return area;
}

Bytes marshal(const TPMT_PUBLIC& area) {
  Bytes bytes(sizeof(area));
  std::size_t size = 0;
  check_rc("Tss2_MU_TPMT_PUBLIC_Marshal",
           Tss2_MU_TPMT_PUBLIC_Marshal(&area, bytes.data(), bytes.size(), &size));
  bytes.resize(size);
  return bytes;
}

Bytes without_unique(const TPM2B_PUBLIC& area) {
  TPMT_PUBLIC key = area.publicArea;
  key.unique = {};
  return marshal(key);
}

// Big-endian, left-padded: the TPM may leave leading zeros out (TPM 2.0 Part 2 §11.2.5.1).
void append_coordinate(Bytes& out, const TPM2B_ECC_PARAMETER& number, std::size_t size) {
  if (number.size > size) throw Error(ErrorKind::internal, "the TPM gave too long a coordinate");
  out.insert(out.end(), size - number.size, 0);
  out.insert(out.end(), number.buffer, number.buffer + number.size);
}

}  // namespace

std::optional<TPM2B_PUBLIC> public_template(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
      return ec_p256_template();
    case KeyType::hmac_sha256:
      return hmac_sha256_template();
    case KeyType::ec_p384:
    case KeyType::rsa_2048:
    case KeyType::rsa_3072:
    case KeyType::ed25519:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<KeyType> type_of(const TPM2B_PUBLIC& area) {
  const Bytes shape = without_unique(area);
  for (const KeyType type : kTypes)
    if (shape == without_unique(*public_template(type))) return type;
  return std::nullopt;
}

std::optional<Algorithm> algorithm_of(KeyType type) {
  if (type == KeyType::ec_p256) return Algorithm::es256;
  return std::nullopt;
}

TPMT_SIG_SCHEME signature_scheme(Algorithm algorithm) {
  if (algorithm != Algorithm::es256)
    throw Error(ErrorKind::unsupported,
                "the TPM backend does not sign with " + std::string(to_string(algorithm)));
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = TPM2_ALG_ECDSA;
  scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
  return scheme;
}

Bytes subject_public_key_info(const TPM2B_PUBLIC& area) {
  if (area.publicArea.type != TPM2_ALG_ECC) return {};
  Bytes point{0x04};  // uncompressed, SEC 1 §2.3.3
  append_coordinate(point, area.publicArea.unique.ecc.x, kP256Bytes);
  append_coordinate(point, area.publicArea.unique.ecc.y, kP256Bytes);

  char group[] = "prime256v1";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end(),
  };
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* raw = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY,
                        const_cast<OSSL_PARAM*>(parameters)) != 1)
    throw_openssl("EVP_PKEY_fromdata");
  const EvpPkey key(raw);
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) throw_openssl("i2d_PUBKEY");
  Bytes info(der, der + size);
  OPENSSL_free(der);
  return info;
}

Bytes raw_signature(const TPMT_SIGNATURE& signature, Algorithm algorithm) {
  const TPMT_SIG_SCHEME asked = signature_scheme(algorithm);
  if (signature.sigAlg != asked.scheme ||
      signature.signature.any.hashAlg != asked.details.any.hashAlg)
    throw Error(ErrorKind::internal, "the TPM signed with another algorithm than it was told");
  Bytes raw;
  append_coordinate(raw, signature.signature.ecdsa.signatureR, kP256Bytes);
  append_coordinate(raw, signature.signature.ecdsa.signatureS, kP256Bytes);
  return raw;
}

Bytes name_of(const TPM2B_PUBLIC& area) {
  const Sha256 digest = sha256(marshal(area.publicArea));
  Bytes name(2 + digest.size());
  name[0] = TPM2_ALG_SHA256 >> 8;
  name[1] = TPM2_ALG_SHA256 & 0xFF;
  std::copy(digest.begin(), digest.end(), name.begin() + 2);
  return name;
}

}  // namespace holdfast::tpm
