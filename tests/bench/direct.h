// The other floor: the same TPM, asked by its library without anything between.
#pragma once

#include <string>

#include "tests/bench/samples.h"

namespace holdfast::bench {

// ECDSA P-256 signatures in a loop, with one loaded key, over ESAPI. Nobody else may use the TPM
// meanwhile. Throws Error.
Samples sign_directly(const std::string& tcti, double seconds, int processor);

}  // namespace holdfast::bench
