// The check of every asymmetric signature before it is used.
#pragma once

#include <string>
#include <unordered_map>

#include "daemon/base/openssl.h"
#include "daemon/key/backend.h"

namespace holdfast {

// Keeps the public keys it has read: reading one costs several times as much as verifying with it. Not
// thread-safe.
class Verifier {
 public:
  static constexpr std::size_t kLimit = 1024;  // then it forgets them all

  // `public_key` is DER SubjectPublicKeyInfo; `digest` and `signature` are as Backend::sign takes and gives
  // them (eddsa: the message; ECDSA: r‖s). Throws Error{internal} if OpenSSL can't use the public key at all.
  bool verifies(ByteView public_key, Algorithm algorithm, ByteView digest, ByteView signature);
  void forget(ByteView public_key);  // of a key that was deleted
  std::size_t kept() const { return keys_.size(); }

 private:
  EVP_PKEY* find(ByteView public_key);

  std::unordered_map<std::string, EvpPkey> keys_;
};

// What Backend::sign takes of a message: its digest, for eddsa the message.
Bytes to_be_signed(Algorithm algorithm, std::string_view message);

}  // namespace holdfast
