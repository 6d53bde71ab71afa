// Signature algorithms in the TPM's words, and its signatures in ours.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "daemon/key/backend.h"

namespace holdfast::tpm {

TPMT_SIG_SCHEME signature_scheme(Algorithm algorithm);

// Of a key of `type`. ECDSA: r‖s; RSA: the modulus' size. Throws Error{internal} if the TPM signed with
// anything but `algorithm`, or gave another size.
Bytes raw_signature(const TPMT_SIGNATURE& signature, KeyType type, Algorithm algorithm);

}  // namespace holdfast::tpm
