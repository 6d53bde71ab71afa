// JSON Web Keys of public keys (RFC 7517, RFC 7518 §6), and their thumbprints.
#pragma once

#include "daemon/base/bytes.h"
#include "daemon/base/json.h"

namespace holdfast {

// `public_key` is DER SubjectPublicKeyInfo of an EC key on P-256 or P-384 or of an RSA key; any other
// throws Error{unsupported}. Only the members that RFC 7638 §3.2 requires, in the order that the
// thumbprint wants: {"crv","kty","x","y"} or {"e","kty","n"}.
json::object to_jwk(ByteView public_key);

// RFC 7638 with SHA-256, base64url.
std::string jwk_thumbprint(ByteView public_key);

}  // namespace holdfast
