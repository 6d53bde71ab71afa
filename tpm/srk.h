// The storage root key, under which every key is wrapped.
#pragma once

#include "daemon/base/bytes.h"
#include "tpm/handles.h"
#include "tpm/key_file.h"

namespace holdfast::tpm {

struct Srk {
  Object object;
  TPM2_HANDLE parent;  // as a key file says it
  Bytes name;          // another Name is another TPM, or a cleared one
};

// The persistent key at 0x81000001 where there is one that can't leave the TPM and that a lockout
// doesn't stop; else the primary key of the template that systemd, go-tpm-keyfiles and tpm2-openssl
// share. Making that takes seconds on some chips. Throws what check_rc throws.
Srk open_srk(ESYS_CONTEXT* esys);

}  // namespace holdfast::tpm
