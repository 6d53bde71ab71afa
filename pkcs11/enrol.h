// A key that is on the token already, found by its URI.
#pragma once

#include "daemon/key/backend.h"
#include "pkcs11/object_name.h"
#include "pkcs11/sessions.h"

namespace holdfast::pkcs11 {

struct Found {
  ObjectName name;
  KeyType type;
  Bytes public_key;  // as the token says it, to be proved; empty for HMAC
  bool always_secret;
};

// Throws as Enroller::enrol() does, and RvFailure.
Found find_key(const Token& token, const Sessions::Use& use, const Login& login,
               const std::string& uri);

}  // namespace holdfast::pkcs11
