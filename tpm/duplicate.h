// A key wrapped in software for a storage key's public part, as TPM2_Import takes it: TPM 2.0 Part 1 §23.3,
// an outer wrapper and no inner one. Nobody but the TPM that holds the parent can open it, so it may
// cross any bus.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "daemon/base/bytes.h"

namespace holdfast::tpm {

struct Duplicate {
  TPM2B_PRIVATE wrapped;
  TPM2B_ENCRYPTED_SECRET seed;
};

// For a parent with nameAlg SHA-256 and AES in CFB mode, RSA or a NIST curve; throws Error{unsupported}
// for another. `name` is the Name of the key that `sensitive` belongs to. The parent's public part has to be
// known to be the TPM's own: whoever else's it is reads the key.
Duplicate wrap(const TPM2B_PUBLIC& parent, ByteView name, const TPM2B_SENSITIVE& sensitive);

}  // namespace holdfast::tpm
