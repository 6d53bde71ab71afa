// The public areas that keys of ours have: what they are made with and what they have to show when
// they are loaded. Adding a type: a template here, its algorithms in algorithms.cpp.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <array>
#include <optional>

#include "daemon/key/backend.h"

namespace holdfast::tpm {

// The types this backend implements; a device may have fewer.
inline constexpr std::array kTypes{KeyType::ec_p256, KeyType::ec_p384, KeyType::rsa_2048,
                                   KeyType::rsa_3072, KeyType::hmac_sha256};

// Of a key that TPM2_Create makes: fixedTPM, fixedParent, noDA, empty authPolicy. RSA has no scheme of
// its own, because one key signs RS256 and PS256. nullopt where the type isn't implemented.
std::optional<TPM2B_PUBLIC> public_template(KeyType type);

// Of a key that TPM2_Import takes: the same without fixedTPM and fixedParent, which TPM2_Import does not
// allow (TPM 2.0 Part 3 §13.3), and without sensitiveDataOrigin. The empty authPolicy keeps it here all
// the same: TPM2_Duplicate demands a policy session, and no policy fulfils none. nullopt for HMAC.
std::optional<TPM2B_PUBLIC> imported_template(KeyType type);

// The type whose template `area` shows in all but `unique`; nullopt where none does.
std::optional<KeyType> type_of(const TPM2B_PUBLIC& area);

// DER SubjectPublicKeyInfo (RFC 5280 §4.1); empty for HMAC.
Bytes subject_public_key_info(const TPM2B_PUBLIC& area);

// The object's Name (TPM 2.0 Part 1 §16): nameAlg ‖ digest of the public area. nameAlg is SHA-256.
Bytes name_of(const TPM2B_PUBLIC& area);

// Big-endian, left-padded to `size`: the TPM may leave leading zeros out (TPM 2.0 Part 2 §11.2.5.1).
// Throws Error{internal} for a longer one.
Bytes padded(const TPM2B_ECC_PARAMETER& number, std::size_t size);

}  // namespace holdfast::tpm
