// OpenSSL 3 EVP behind move-only owners, and the few operations the daemon does in software.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <initializer_list>
#include <memory>

#include "daemon/base/bytes.h"
#include "daemon/base/secret.h"

namespace holdfast {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using EvpPkey = std::unique_ptr<EVP_PKEY, OpensslFree<EVP_PKEY_free>>;
using EvpPkeyCtx = std::unique_ptr<EVP_PKEY_CTX, OpensslFree<EVP_PKEY_CTX_free>>;
using EvpMdCtx = std::unique_ptr<EVP_MD_CTX, OpensslFree<EVP_MD_CTX_free>>;

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::initializer_list<ByteView> parts);  // of all, one after the other
inline Sha256 sha256(ByteView data) {
  return sha256({data});
}
inline Sha256 sha256(std::string_view text) {
  return sha256(as_bytes(text));
}
std::string sha256_hex(std::string_view text);

// HMAC-SHA-256 (RFC 2104); the result is as secret as the key.
Secret hmac_sha256(ByteView key, ByteView message);

// Cryptographically random bytes.
Bytes random_bytes(std::size_t size);

// The same from a stock, for what needs a few at a time and shows them (names, salts): a draw costs the
// same for 16 bytes as for a page. Not thread-safe.
class RandomStock {
 public:
  ByteView take(std::size_t size);  // at most kDraw; good until the next call

 private:
  static constexpr std::size_t kDraw = 1024;
  Bytes stock_;
  std::size_t used_ = 0;
};

// Public key from a DER SubjectPublicKeyInfo (RFC 5280 §4.1). Throws Error{internal} if it is not
// one.
EvpPkey public_key_from_spki(ByteView der);
std::string spki_to_pem(ByteView der);

// ECDSA signatures in their two forms: r‖s, each of `coordinate_bytes`, and DER (RFC 3279 §2.2.3).
Bytes ecdsa_raw_to_der(ByteView raw);
Bytes ecdsa_der_to_raw(ByteView der, std::size_t coordinate_bytes);

// Throws Error{internal} with OpenSSL's oldest queued error and empties the queue.
[[noreturn]] void throw_openssl(std::string_view where);

}  // namespace holdfast
