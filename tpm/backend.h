// Keys in a TPM 2.0, through ESAPI. `DeviceKey::object` is a TSS2 PRIVATE KEY file (key_file.h).
#pragma once

#include <memory>
#include <string>

#include "daemon/key/backend.h"
#include "tpm/nv.h"

namespace holdfast::tpm {

enum class Sessions { automatic, encrypted, plain };

// Opens the TPM at `tcti`, as tpm2-tss spells it: "device:/dev/tpmrm0", "swtpm:path=/run/tpm.sock".
// The caller owns the backend and destroys it before it opens the same TPM again. Throws Error:
// device_unavailable in most cases.
//
// `sessions`: whether what passes between us and the TPM is encrypted and authenticated (session.h).
// `automatic` is encrypted, but plain for a software TPM. A key that is made under encrypted sessions gets
// an auth value, and is used through one ever after.
//
// `anchor_index`: the NV index of the counter that makes the backend an Anchor (nv.h); 0: it is none.
//
// Calls block, without a deadline of their own, for as long as the TPM takes; the process around this
// has to end an overdue one. It also has to block signals in this thread: an EINTR in the TCTI breaks
// ESAPI's context (tpm2-tss issue 3086), and a TCTI over a socket whose other end is gone raises
// SIGPIPE. Sets TSS2_LOG, unless it is set, so that tpm2-tss prints nothing.
std::unique_ptr<Backend> open(const std::string& tcti, Sessions sessions = Sessions::automatic,
                              std::uint32_t anchor_index = kAnchorIndex);

}  // namespace holdfast::tpm
