// Key types and signature algorithms in PKCS #11's words.
#pragma once

#include <p11-kit/pkcs11.h>

#include <array>

#include "daemon/key/backend.h"

namespace holdfast::pkcs11 {

inline constexpr std::array kTypes{KeyType::ec_p256,  KeyType::ec_p384,     KeyType::rsa_2048,
                                   KeyType::rsa_3072, KeyType::hmac_sha256, KeyType::ed25519};

CK_MECHANISM_TYPE mechanism_of(Algorithm algorithm);
CK_MECHANISM_TYPE generation_of(KeyType type);  // not for HMAC
std::size_t signature_bytes(KeyType type, Algorithm algorithm);

// DER of CKA_EC_PARAMS (PKCS #11 v3.0 §2.3.3): the curve's OID. Empty for what has no curve.
ByteView curve_of(KeyType type);

CK_ULONG modulus_bits(KeyType type);  // 0 for what has none

// The mechanism with its parameters, and the bytes that it signs.
class Signing {
 public:
  Signing(Algorithm algorithm, ByteView digest);
  Signing(const Signing&) = delete;
  Signing& operator=(const Signing&) = delete;
  CK_MECHANISM* mechanism() { return &mechanism_; }
  ByteView input() const { return input_; }

 private:
  CK_MECHANISM mechanism_{};
  CK_RSA_PKCS_PSS_PARAMS pss_{};
  Bytes input_;
};

}  // namespace holdfast::pkcs11
