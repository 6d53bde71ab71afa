// Plain OpenSSL as the judge of what a device made.
#pragma once

#include <gtest/gtest.h>

#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast::test {

inline bool verifies(ByteView public_key, ByteView digest, ByteView raw_signature) {
  const EvpPkey key = public_key_from_spki(public_key);
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key.get(), nullptr));
  const Bytes der = ecdsa_raw_to_der(raw_signature);
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.data(), digest.size()) == 1;
}

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

inline std::string hex_of(const Secret& secret) {
  return to_hex(secret.view());
}

// The kind of Error that `action` throws.
template <class Action>
testing::AssertionResult throws_kind(ErrorKind kind, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    if (error.kind() == kind) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << "threw " << to_string(error.kind()) << ": " << error.what();
  }
  return testing::AssertionFailure() << "threw nothing";
}

}  // namespace holdfast::test
