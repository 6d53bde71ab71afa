// What Backend::import_private_key takes, read and judged the same way for every backend.
#pragma once

#include "daemon/base/openssl.h"
#include "daemon/key/backend.h"

namespace holdfast {

// The key of a DER PrivateKeyInfo (RFC 5208 §5, RFC 5958 §2), exactly of `type`, consistent in itself,
// RSA with the public exponent 65537. Throws Error: unsupported for a type that is neither EC nor RSA
// of this project's, invalid_request for everything else that is wrong with it.
EvpPkey private_key_of(KeyType type, const Secret& pkcs8);

// Its public key: DER SubjectPublicKeyInfo. Throws so, too.
Bytes public_key_of(KeyType type, const Secret& pkcs8);

// And written. Throws Error{internal}.
Secret to_pkcs8(EVP_PKEY* key);

}  // namespace holdfast
