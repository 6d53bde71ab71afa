// Key types and algorithms in the TPM's words, and its answers in ours. Adding a type: a template,
// a case of each switch here, nothing elsewhere.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <array>
#include <optional>

#include "daemon/key/backend.h"

namespace holdfast::tpm {

// The types this backend implements; a device may have fewer.
inline constexpr std::array kTypes{KeyType::ec_p256, KeyType::hmac_sha256};

// The public area that a key of `type` is made with and has to show when it is loaded: fixedTPM,
// fixedParent, noDA, one scheme, empty authPolicy. nullopt where the type isn't implemented.
std::optional<TPM2B_PUBLIC> public_template(KeyType type);

// The type whose template `area` shows in all but `unique`; nullopt where none does.
std::optional<KeyType> type_of(const TPM2B_PUBLIC& area);

// The one algorithm a key of `type` signs with; nullopt for HMAC.
std::optional<Algorithm> algorithm_of(KeyType type);

TPMT_SIG_SCHEME signature_scheme(Algorithm algorithm);

// DER SubjectPublicKeyInfo (RFC 5280 §4.1); empty for HMAC.
Bytes subject_public_key_info(const TPM2B_PUBLIC& area);

// ECDSA: r‖s. Throws Error{internal} if the TPM signed with anything but `algorithm`.
Bytes raw_signature(const TPMT_SIGNATURE& signature, Algorithm algorithm);

// The object's Name (TPM 2.0 Part 1 §16): nameAlg ‖ digest of the public area.
Bytes name_of(const TPM2B_PUBLIC& area);

}  // namespace holdfast::tpm
