// JSON Web Keys of public keys (RFC 7517, RFC 7518 §6, RFC 8037), and their thumbprints.
#pragma once

#include "daemon/base/bytes.h"
#include "daemon/base/json.h"

namespace holdfast {

// `public_key` is DER SubjectPublicKeyInfo of an EC key on P-256 or P-384, of an RSA or of an Ed25519 key;
// any other throws Error{unsupported}. Only the members that RFC 7638 §3.2 and RFC 8037 §2 require, in the order
// that the thumbprint wants: {"crv","kty","x","y"}, {"e","kty","n"} or {"crv","kty","x"}.
json::object to_jwk(ByteView public_key);

// RFC 7638 with SHA-256, base64url.
std::string jwk_thumbprint(ByteView public_key);

}  // namespace holdfast
