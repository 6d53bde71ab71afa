// A private key that was made elsewhere, in the TPM's words, in clear. Exists only on its way into
// duplicate.h's wrapper, and is zeroed behind it.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "daemon/key/backend.h"
#include "tpm/handles.h"

namespace holdfast::tpm {

struct Sensitive {
  // `auth` becomes the key's auth value, empty for none. Throws what private_key_of() throws.
  Sensitive(KeyType type, const Secret& pkcs8, ByteView auth);

  TPM2B_PUBLIC public_area;
  Zeroed<TPM2B_SENSITIVE> private_area;
};

}  // namespace holdfast::tpm
