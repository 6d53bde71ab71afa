#include "tpm/public_area.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <tss2/tss2_mu.h>

#include <algorithm>
#include <memory>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "tpm/error.h"

namespace holdfast::tpm {
namespace {

using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, OpensslFree<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, OpensslFree<OSSL_PARAM_free>>;

constexpr TPMA_OBJECT kOfThisTpm =
    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN;

TPM2B_PUBLIC signer(TPM2_ALG_ID type) {
  TPM2B_PUBLIC area{};
  area.publicArea.type = type;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes =
      TPMA_OBJECT_SIGN_ENCRYPT | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | kOfThisTpm;
  return area;
}

TPM2B_PUBLIC ec_template(TPM2_ECC_CURVE curve, TPM2_ALG_ID hash) {
  TPM2B_PUBLIC area = signer(TPM2_ALG_ECC);
  TPMS_ECC_PARMS& ecc = area.publicArea.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_NULL;
  ecc.scheme.scheme = TPM2_ALG_ECDSA;
  ecc.scheme.details.ecdsa.hashAlg = hash;
  ecc.curveID = curve;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return area;
}

TPM2B_PUBLIC rsa_template(TPM2_KEY_BITS bits) {
  TPM2B_PUBLIC area = signer(TPM2_ALG_RSA);
  TPMS_RSA_PARMS& rsa = area.publicArea.parameters.rsaDetail;
  rsa.symmetric.algorithm = TPM2_ALG_NULL;
  rsa.scheme.scheme = TPM2_ALG_NULL;
  rsa.keyBits = bits;
  rsa.exponent = 0;  // 65537
  return area;
}

// sensitiveDataOrigin is clear because the secret comes from outside; it is fixed to this TPM all
// the same (TPM 2.0 Part 3 §12.1).
TPM2B_PUBLIC hmac_sha256_template() {
  TPM2B_PUBLIC area = signer(TPM2_ALG_KEYEDHASH);
  area.publicArea.objectAttributes &= ~TPMA_OBJECT_SENSITIVEDATAORIGIN;
  TPMT_KEYEDHASH_SCHEME& scheme = area.publicArea.parameters.keyedHashDetail.scheme;
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

Bytes encode(const char* type, OSSL_PARAM* parameters) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* raw = nullptr;
  if (!context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &raw, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
    throw_openssl("EVP_PKEY_fromdata");
  const EvpPkey key(raw);
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) throw_openssl("i2d_PUBKEY");
  Bytes info(der, der + size);
  OPENSSL_free(der);
  return info;
}

Bytes encode_ec(const TPMT_PUBLIC& key) {
  const bool p256 = key.parameters.eccDetail.curveID == TPM2_ECC_NIST_P256;
  const std::size_t width = p256 ? 32 : 48;
  const Bytes x = padded(key.unique.ecc.x, width), y = padded(key.unique.ecc.y, width);
  Bytes point{0x04};  // uncompressed, SEC 1 §2.3.3
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  std::string group = p256 ? "prime256v1" : "secp384r1";
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end(),
  };
  return encode("EC", parameters);
}

Bytes encode_rsa(const TPMT_PUBLIC& key) {
  const TPM2B_PUBLIC_KEY_RSA& modulus = key.unique.rsa;
  const Number n(BN_bin2bn(modulus.buffer, modulus.size, nullptr));
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_uint32(builder.get(), OSSL_PKEY_PARAM_RSA_E, 65537) != 1)
    throw_openssl("OSSL_PARAM_BLD_push_BN");
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  return encode("RSA", parameters.get());
}

}  // namespace

std::optional<TPM2B_PUBLIC> public_template(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
      return ec_template(TPM2_ECC_NIST_P256, TPM2_ALG_SHA256);
    case KeyType::ec_p384:
      return ec_template(TPM2_ECC_NIST_P384, TPM2_ALG_SHA384);
    case KeyType::rsa_2048:
      return rsa_template(2048);
    case KeyType::rsa_3072:
      return rsa_template(3072);
    case KeyType::hmac_sha256:
      return hmac_sha256_template();
    case KeyType::ed25519:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<TPM2B_PUBLIC> imported_template(KeyType type) {
  std::optional<TPM2B_PUBLIC> area = public_template(type);
  if (!area || type == KeyType::hmac_sha256) return std::nullopt;
  area->publicArea.objectAttributes &= ~kOfThisTpm;
  return area;
}

std::optional<KeyType> type_of(const TPM2B_PUBLIC& area) {
  const Bytes shape = without_unique(area);
  for (const KeyType type : kTypes)
    for (const auto& known : {public_template(type), imported_template(type)})
      if (known && shape == without_unique(*known)) return type;
  return std::nullopt;
}

Bytes subject_public_key_info(const TPM2B_PUBLIC& area) {
  if (area.publicArea.type == TPM2_ALG_ECC) return encode_ec(area.publicArea);
  if (area.publicArea.type == TPM2_ALG_RSA) return encode_rsa(area.publicArea);
  return {};
}

Bytes name_of(const TPM2B_PUBLIC& area) {
  const Sha256 digest = sha256(marshal(area.publicArea));
  Bytes name(2 + digest.size());
  name[0] = TPM2_ALG_SHA256 >> 8;
  name[1] = TPM2_ALG_SHA256 & 0xFF;
  std::copy(digest.begin(), digest.end(), name.begin() + 2);
  return name;
}

Bytes padded(const TPM2B_ECC_PARAMETER& number, std::size_t size) {
  if (number.size > size) throw Error(ErrorKind::internal, "the TPM gave too long a coordinate");
  Bytes bytes(size);
  std::copy_n(number.buffer, number.size, bytes.end() - number.size);
  return bytes;
}

}  // namespace holdfast::tpm
