// The storage root key, under which every key is wrapped.
#pragma once

#include "daemon/base/bytes.h"
#include "tpm/handles.h"
#include "tpm/key_file.h"

namespace holdfast::tpm {

struct Srk {
  Object object;
  TPM2_HANDLE parent;        // as a key file says it
  TPM2B_PUBLIC public_area;  // what sessions are salted and keys wrapped with
  Bytes name;                // of that public area; another Name is another TPM, or a cleared one
};

// The persistent key at 0x81000001 where there is one that can't leave the TPM and that a lockout
// doesn't stop; else the primary key of the template that systemd, go-tpm-keyfiles and tpm2-openssl
// share. Making that takes seconds on some chips. Throws what check_rc throws, and
// Error{device_unavailable} where its Name, by which the core knows it, is not that of its public area:
// nothing protects these answers on the bus.
Srk open_srk(ESYS_CONTEXT* esys);

}  // namespace holdfast::tpm
