#include "tpm/pss.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "tpm/algorithms.h"
#include "tpm/public_area.h"

namespace holdfast::tpm {
namespace {

// The example key of RFC 7515 appendix A.2.1, modulus and first prime in base64. Printed for everybody to read; it
// protects nothing.
constexpr std::string_view kModulus =
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/"
    "wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4Ql"
    "L+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/"
    "7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUs"
    "LA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/"
    "I5IhlJH7aGhyxXFvUK+DWNmoud"
    "F8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ==";
constexpr std::string_view kPrime =
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH/5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw/"
    "Py5PJdTJ"
    "NPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn+nXqhJTBgIPgtldC+KDV5z+y2XDwGUc=";

template <class Buffer>
void decode(Buffer& out, std::string_view text) {
  const Bytes bytes = from_base64(text).value();
  out.size = static_cast<UINT16>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), out.buffer);
}

Object load_example(ESYS_CONTEXT* esys, const TPM2B_PUBLIC& area) {
  TPM2B_SENSITIVE sensitive{};
  sensitive.sensitiveArea.sensitiveType = TPM2_ALG_RSA;
  decode(sensitive.sensitiveArea.sensitive.rsa, kPrime);
  ESYS_TR handle = ESYS_TR_NONE;
  // TPM 2.0 Part 3 §12.3: a private part may only be loaded outside the hierarchies.
  run("Esys_LoadExternal", [&] {
    return Esys_LoadExternal(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &area,
                             ESYS_TR_RH_NULL, &handle);
  });
  return Object(esys, handle, Object::Kind::transient);
}

Bytes sign_with(ESYS_CONTEXT* esys, const Object& key, const Sha256& digest) {
  TPM2B_DIGEST input{};
  input.size = digest.size();
  std::copy(digest.begin(), digest.end(), input.buffer);
  const TPMT_SIG_SCHEME scheme = signature_scheme(Algorithm::ps256);
  const TPMT_TK_HASHCHECK ticket{TPM2_ST_HASHCHECK, TPM2_RH_NULL, {}};
  Returned<TPMT_SIGNATURE> signature;
  run("Esys_Sign", [&] {
    return Esys_Sign(esys, key.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &input, &scheme,
                     &ticket, signature.out());
  });
  return raw_signature(*signature, KeyType::rsa_2048, Algorithm::ps256);
}

}  // namespace

bool signs_ps256(ESYS_CONTEXT* esys) {
  TPM2B_PUBLIC area = *imported_template(KeyType::rsa_2048);
  decode(area.publicArea.unique.rsa, kModulus);
  const Sha256 digest = sha256("PS256");
  try {
    const Object key = load_example(esys, area);
    const Bytes signature = sign_with(esys, key, digest);
    const EvpPkey judge = public_key_from_spki(subject_public_key_info(area));
    return is_ps256(judge.get(), digest, signature);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::device_unavailable) throw;
    return false;
  }
}

bool is_ps256(EVP_PKEY* key, ByteView digest, ByteView signature) {
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key, nullptr));
  const bool good = context && EVP_PKEY_verify_init(context.get()) == 1 &&
                    EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) == 1 &&
                    EVP_PKEY_verify(context.get(), signature.data(), signature.size(),
                                    digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace holdfast::tpm
