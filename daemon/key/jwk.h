// Public keys as JSON Web Keys (RFC 7517).
#pragma once

#include <string>

#include "daemon/base/json.h"
#include "daemon/key/backend.h"

namespace holdfast {

// kty, crv, x, y of a DER SubjectPublicKeyInfo. Throws Error{unsupported} for what is no EC P-256
// key.
json::object to_jwk(ByteView public_key);

// RFC 7638 §3: base64url of SHA-256 of the required members in order.
std::string jwk_thumbprint(ByteView public_key);

}  // namespace holdfast
