// The keys on a token by their names (object_name.h). A handle is kept for as long as it means one object.
#pragma once

#include <p11-kit/pkcs11.h>

#include <optional>
#include <shared_mutex>
#include <string>
#include <unordered_map>

#include "daemon/key/backend.h"
#include "pkcs11/login.h"
#include "pkcs11/object_name.h"
#include "pkcs11/sessions.h"
#include "pkcs11/token.h"

namespace holdfast::pkcs11 {

// What key an object is; nullopt for one that we don't sign with.
std::optional<KeyType> type_of(const Attributes& key);

// Thread-safe.
class Objects {
 public:
  // Both outlive this.
  Objects(const Token& token, const Login& login) : token_(token), login_(login) {}

  struct Loaded {
    CK_OBJECT_HANDLE handle;  // in this generation of sessions
    KeyType type;
    bool always_authenticate;
  };

  // The key of this name. Throws Error{key_lost} where the token has none, several, or one that is not what
  // it was when it was made or enrolled, and RvFailure.
  Loaded use(const Sessions::Use& use, ByteView object);

  // Destroys what we made under this id: keys only, no certificate. Throws RvFailure.
  void destroy(const Sessions::Use& use, ByteView id);

  void forget(ByteView object);

 private:
  struct Entry {
    std::uint64_t generation;
    Loaded key;
  };

  Loaded find(const Sessions::Use& use, ByteView object) const;

  const Token& token_;
  const Login& login_;
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace holdfast::pkcs11
