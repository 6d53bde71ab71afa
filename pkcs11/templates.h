// What a new object is: every key of ours is private, sensitive, can't leave the token, and signs only.
#pragma once

#include <p11-kit/pkcs11.h>

#include <deque>
#include <vector>

#include "daemon/base/openssl.h"
#include "daemon/base/secret.h"
#include "daemon/key/backend.h"

namespace holdfast::pkcs11 {

inline constexpr std::string_view kLabel = "holdfast";

// Attributes and their values, which are zeroed when it goes.
class Template {
 public:
  Template() = default;
  Template(Template&&) = default;
  Template& operator=(Template&&) = default;

  Template& flag(CK_ATTRIBUTE_TYPE type, bool value);
  Template& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Template& bytes(CK_ATTRIBUTE_TYPE type, ByteView value);

  CK_ATTRIBUTE* data() { return attributes_.data(); }
  CK_ULONG size() const { return attributes_.size(); }

 private:
  using Value = std::vector<std::uint8_t, ZeroingAllocator<std::uint8_t>>;
  std::deque<Value> values_;
  std::vector<CK_ATTRIBUTE> attributes_;
};

// For C_GenerateKeyPair.
Template public_template(KeyType type, ByteView id);
Template private_template(KeyType type, ByteView id);

// For C_CreateObject. The HMAC key is padded with zeros to SHA-256's block, which makes the same MAC
// (RFC 2104 §2): some tokens refuse keys shorter than the digest. Its `type` is CKK_GENERIC_SECRET or
// CKK_SHA256_HMAC.
Template secret_template(const Secret& key, CK_KEY_TYPE type, ByteView id);
Template imported_template(KeyType type, EVP_PKEY* key, ByteView id);

}  // namespace holdfast::pkcs11
