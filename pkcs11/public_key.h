// Public keys: what a module says of one, as a SubjectPublicKeyInfo that OpenSSL has checked.
#pragma once

#include "daemon/base/openssl.h"
#include "daemon/key/backend.h"
#include "pkcs11/attributes.h"

namespace holdfast::pkcs11 {

// From CKA_EC_POINT, wrapped in an OCTET STRING as PKCS #11 v3.0 §2.3.3 says or bare as many modules give
// it; nullopt for what is no point of that curve. For EC and Ed25519.
std::optional<Bytes> from_point(KeyType type, ByteView point);

// From CKA_MODULUS and CKA_PUBLIC_EXPONENT; nullopt for what is no RSA key of that size.
std::optional<Bytes> from_modulus(KeyType type, ByteView modulus, ByteView exponent);

// DER SubjectPublicKeyInfo of exactly `type`, or nullopt.
std::optional<Bytes> checked(KeyType type, EvpPkey key);

// Of the private key `key` with this CKA_ID: from the public key object beside it, its own attributes, or
// the certificate beside it. nullopt where none tells. Throws RvFailure.
std::optional<Bytes> public_key_of(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session,
                                   CK_OBJECT_HANDLE key, KeyType type, ByteView id);

}  // namespace holdfast::pkcs11
