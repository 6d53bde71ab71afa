// What the TPM says about itself.
#pragma once

#include "daemon/key/backend.h"
#include "tpm/handles.h"

namespace holdfast::tpm {

// Starts a TPM that no firmware started.
void start_up(ESYS_CONTEXT* esys);

// Frees the slots that a killed predecessor left taken: without a resource manager objects and sessions
// outlive their connection. With one, only our own would be seen, and there are none yet.
void flush_leftovers(ESYS_CONTEXT* esys);

bool has_handle(ESYS_CONTEXT* esys, TPM2_HANDLE handle);

// All of the description but parent_name. `tcti` as in open().
DeviceDescription probe(ESYS_CONTEXT* esys, std::string_view tcti);

// Was a password of the owner hierarchy set, so that making a primary key needs it?
bool has_owner_auth(ESYS_CONTEXT* esys);

std::uint32_t lockout_counter(ESYS_CONTEXT* esys);

}  // namespace holdfast::tpm
