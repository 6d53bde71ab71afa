// The P-256 key that AWS and the holder of a secret access key both derive from it, for SigV4A.
#pragma once

#include <string_view>

#include "daemon/key/private_key_pem.h"

namespace holdfast {

// NIST SP 800-108 in counter mode over HMAC-SHA-256, as awslabs/aws-c-auth has it (source/key_derivation.c).
// What passes through memory on the way is in the secure heap, and zeroed.
PrivateKey derive_sigv4a_key(std::string_view access_key_id, const Secret& secret_access_key);

}  // namespace holdfast
