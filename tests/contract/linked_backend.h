// A backend in a real holdfast-device process, behind its link: the client end of the socketpair made to
// block, so that it can stand in the contract suite.
#pragma once

#include <memory>
#include <string>

#include "daemon/key/backend.h"

namespace holdfast::test {

// Starts the program named by $HOLDFAST_DEVICE_PROGRAM and waits until it has opened the TPM. Throws
// Error{device_unavailable} if it does not. The process ends with the backend.
std::unique_ptr<Backend> open_linked_tpm(const std::string& tcti);

}  // namespace holdfast::test
