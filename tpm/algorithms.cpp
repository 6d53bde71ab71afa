#include "tpm/algorithms.h"

#include <string>

#include "daemon/base/error.h"
#include "tpm/public_area.h"

namespace holdfast::tpm {
TPMT_SIG_SCHEME signature_scheme(Algorithm algorithm) {
  TPMT_SIG_SCHEME scheme{};
  scheme.details.any.hashAlg = algorithm == Algorithm::es384 ? TPM2_ALG_SHA384 : TPM2_ALG_SHA256;
  switch (algorithm) {
    case Algorithm::es256:
    case Algorithm::es384:
      scheme.scheme = TPM2_ALG_ECDSA;
      return scheme;
    case Algorithm::rs256:
      scheme.scheme = TPM2_ALG_RSASSA;
      return scheme;
    case Algorithm::ps256:
      scheme.scheme = TPM2_ALG_RSAPSS;
      return scheme;
    case Algorithm::eddsa:
      break;
  }
  throw Error(ErrorKind::unsupported,
              "the TPM backend does not sign with " + std::string(to_string(algorithm)));
}

Bytes raw_signature(const TPMT_SIGNATURE& signature, KeyType type, Algorithm algorithm) {
  const TPMT_SIG_SCHEME asked = signature_scheme(algorithm);
  if (signature.sigAlg != asked.scheme ||
      signature.signature.any.hashAlg != asked.details.any.hashAlg)
    throw Error(ErrorKind::internal, "the TPM signed with another algorithm than it was told");
  if (asked.scheme != TPM2_ALG_ECDSA) {
    const TPM2B_PUBLIC_KEY_RSA& value = asked.scheme == TPM2_ALG_RSASSA
                                            ? signature.signature.rsassa.sig
                                            : signature.signature.rsapss.sig;
    if (value.size != (type == KeyType::rsa_3072 ? 384 : 256))
      throw Error(ErrorKind::internal,
                  "the TPM gave an RSA signature of another size than its key");
    return {value.buffer, value.buffer + value.size};
  }
  const std::size_t width = algorithm == Algorithm::es384 ? 48 : 32;
  Bytes raw = padded(signature.signature.ecdsa.signatureR, width);
  const Bytes s = padded(signature.signature.ecdsa.signatureS, width);
  raw.insert(raw.end(), s.begin(), s.end());
  return raw;
}

}  // namespace holdfast::tpm
