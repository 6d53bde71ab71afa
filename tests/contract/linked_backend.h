// A backend in a real holdfast-device process, behind its link: the client end of the socketpair made to
// block, so that it can stand in the contract suite.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/key/backend.h"

namespace holdfast::test {

// Starts the program named by $HOLDFAST_DEVICE_PROGRAM with these arguments, such as {"--backend", "tpm",
// "--tcti", …}, and waits until it has opened the device. Throws Error{device_unavailable} if it does not.
// The process ends with the backend, which is an Enroller too.
std::unique_ptr<Backend> open_linked(const std::vector<std::string>& arguments);

}  // namespace holdfast::test
