// The check of every asymmetric signature before it is used.
#pragma once

#include "daemon/key/backend.h"

namespace holdfast {

// `signature` as Backend::sign gives it (ECDSA: r‖s). Throws Error{internal} if OpenSSL can't use
// the public key at all.
bool verifies(ByteView public_key, Algorithm algorithm, ByteView digest, ByteView signature);

// The digest that `algorithm` signs of a message. Throws Error{unsupported} for eddsa, which signs the
// message.
Bytes digest_for(Algorithm algorithm, std::string_view message);

}  // namespace holdfast
