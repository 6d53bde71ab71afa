// The check of every asymmetric signature before it is used.
#pragma once

#include "daemon/key/backend.h"

namespace holdfast {

// `signature` as Backend::sign gives it (ECDSA: r‖s). Throws Error{internal} if OpenSSL can't use
// the public key at all.
bool verifies(ByteView public_key, Algorithm algorithm, ByteView digest, ByteView signature);

}  // namespace holdfast
