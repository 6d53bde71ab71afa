// The floor of an HSM: the same key, asked for through a PKCS#11 module without a daemon between.
#pragma once

#include <string>

#include "tests/bench/samples.h"

namespace holdfast::bench {

struct TokenLoop {
  std::string module, uri;  // of the token
  std::string pin_file;
  std::string key;         // CKA_LABEL of a private P-256 key
  unsigned threads = 1;    // of one process, each with a session of its own
  unsigned processes = 1;  // each loads the module and logs in for itself
};

// ECDSA signatures (C_SignInit, C_Sign) of all threads of all processes, which begin together. Throws
// std::runtime_error where one of them fails; it says on stderr why.
Samples sign_on_token(const TokenLoop& loop, double seconds);

}  // namespace holdfast::bench
