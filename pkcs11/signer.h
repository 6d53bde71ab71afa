// The one way to C_Sign.
#pragma once

#include <functional>
#include <span>

#include "daemon/key/backend.h"
#include "pkcs11/login.h"
#include "pkcs11/objects.h"
#include "pkcs11/sessions.h"

namespace holdfast::pkcs11 {

class Signer {
 public:
  // All outlive this.
  Signer(const Token& token, Login& login, Sessions& sessions, Objects& objects)
      : token_(token), login_(login), sessions_(sessions), objects_(objects) {}

  // Where the signature of a key of this type goes, of exactly its size; throws for a type that doesn't fit.
  using Place = std::function<std::span<std::uint8_t>(KeyType type)>;

  // Signs `input` with the key `object`. Throws as Backend::sign() does. Thread-safe.
  void sign(ByteView object, CK_MECHANISM* mechanism, ByteView input, const Place& place,
            const Backend::Meanwhile& meanwhile);

 private:
  const Token& token_;
  Login& login_;
  Sessions& sessions_;
  Objects& objects_;
};

}  // namespace holdfast::pkcs11
