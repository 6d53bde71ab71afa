#include "tpm/sensitive.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>

#include <algorithm>
#include <memory>

#include "daemon/base/error.h"
#include "daemon/key/pkcs8.h"
#include "tpm/public_area.h"

namespace holdfast::tpm {
namespace {

using Number = std::unique_ptr<BIGNUM, OpensslFree<BN_clear_free>>;

// In exactly `size` bytes.
template <class Buffer>
void fill(Buffer& out, EVP_PKEY* key, const char* parameter, int size) {
  BIGNUM* raw = nullptr;
  const bool known = EVP_PKEY_get_bn_param(key, parameter, &raw) == 1;
  const Number number(raw);
  if (!known || BN_bn2binpad(number.get(), out.buffer, size) != size)
    throw Error(
        ErrorKind::invalid_request,
        "the private key has another form than a TPM takes, such as an RSA key of more than "
        "two primes");
  out.size = static_cast<UINT16>(size);
}

}  // namespace

Sensitive::Sensitive(KeyType type, const Secret& pkcs8, ByteView auth) {
  const EvpPkey key = private_key_of(type, pkcs8);
  public_area = imported_template(type).value();
  TPMU_PUBLIC_ID& unique = public_area.publicArea.unique;
  TPMT_SENSITIVE& sensitive = private_area.value.sensitiveArea;
  sensitive.sensitiveType = public_area.publicArea.type;
  sensitive.authValue.size = static_cast<UINT16>(auth.size());
  std::copy(auth.begin(), auth.end(), sensitive.authValue.buffer);

  const int bytes = (EVP_PKEY_get_bits(key.get()) + 7) / 8;
  if (sensitive.sensitiveType == TPM2_ALG_ECC) {
    fill(unique.ecc.x, key.get(), OSSL_PKEY_PARAM_EC_PUB_X, bytes);
    fill(unique.ecc.y, key.get(), OSSL_PKEY_PARAM_EC_PUB_Y, bytes);
    fill(sensitive.sensitive.ecc, key.get(), OSSL_PKEY_PARAM_PRIV_KEY, bytes);
  } else {
    fill(unique.rsa, key.get(), OSSL_PKEY_PARAM_RSA_N, bytes);
    // One prime is enough (TPM 2.0 Part 2 §12.3.2.2).
    fill(sensitive.sensitive.rsa, key.get(), OSSL_PKEY_PARAM_RSA_FACTOR1, bytes / 2);
  }
}

}  // namespace holdfast::tpm
