// What a token says it can do.
#pragma once

#include "daemon/key/backend.h"
#include "pkcs11/token.h"

namespace holdfast::pkcs11 {

// All of the description but how much may run at once.
DeviceDescription probe(const Token& token);

}  // namespace holdfast::pkcs11
