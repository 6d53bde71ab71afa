// A private key as an administrator has it.
#pragma once

#include <string_view>

#include "daemon/key/backend.h"

namespace holdfast {

struct PrivateKey {
  KeyType type = KeyType::ec_p256;
  Secret pkcs8;  // as Backend::import_private_key takes it
};

// One unencrypted private key in PEM (RFC 7468): PKCS#8, SEC1 or PKCS#1; "EC PARAMETERS", which
// openssl ecparam writes in front, is passed over. Throws Error{invalid_request} that says what it is
// instead, and what to do. What it reads passes through OpenSSL's secure heap and is zeroed.
PrivateKey read_private_key_pem(std::string_view pem);

}  // namespace holdfast
