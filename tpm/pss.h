// PS256 is RSA-PSS with a salt as long as the digest (RFC 7518 §3.5). A TPM chooses the salt's length by
// itself, and older ones take the longest that fits.
#pragma once

#include <openssl/evp.h>

#include "daemon/base/bytes.h"
#include "tpm/handles.h"

namespace holdfast::tpm {

// Does this TPM sign PS256? Has it sign once with a published key.
bool signs_ps256(ESYS_CONTEXT* esys);

// Is `signature` of this SHA-256 digest what PS256 demands, its salt's length too?
bool is_ps256(EVP_PKEY* key, ByteView digest, ByteView signature);

}  // namespace holdfast::tpm
