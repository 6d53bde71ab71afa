// Plain OpenSSL as the judge of what a device made.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include <string_view>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/key/backend.h"

namespace holdfast::test {

inline bool verifies(ByteView public_key, ByteView digest, ByteView raw_signature,
                     Algorithm algorithm = Algorithm::es256) {
  const EvpPkey key = public_key_from_spki(public_key);
  if (algorithm == Algorithm::eddsa) {
    const EvpMdCtx whole(EVP_MD_CTX_new());
    return EVP_DigestVerifyInit(whole.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(whole.get(), raw_signature.data(), raw_signature.size(), digest.data(),
                            digest.size()) == 1;
  }
  const EvpPkeyCtx context(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (EVP_PKEY_verify_init(context.get()) != 1) return false;
  Bytes signature(raw_signature.begin(), raw_signature.end());
  if (algorithm == Algorithm::es256 || algorithm == Algorithm::es384)
    signature = ecdsa_raw_to_der(raw_signature);
  else if (EVP_PKEY_CTX_set_rsa_padding(context.get(), algorithm == Algorithm::ps256
                                                           ? RSA_PKCS1_PSS_PADDING
                                                           : RSA_PKCS1_PADDING) != 1 ||
           EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1)
    return false;
  if (algorithm == Algorithm::ps256 &&
      EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1)
    return false;
  return EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(),
                         digest.size()) == 1;
}

// A key made in software, as the SubjectPublicKeyInfo and PrivateKeyInfo that its owner has.
inline EvpPkey generate(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
      return EvpPkey(EVP_EC_gen("P-256"));
    case KeyType::ec_p384:
      return EvpPkey(EVP_EC_gen("P-384"));
    case KeyType::rsa_2048:
      return EvpPkey(EVP_RSA_gen(2048));
    default:
      return EvpPkey(EVP_RSA_gen(3072));
  }
}

inline Secret pkcs8_of(EVP_PKEY* key) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
  unsigned char* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PKCS8_PRIV_KEY_INFO_free(info);
  Secret pkcs8(ByteView(der, static_cast<std::size_t>(size)));
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  return pkcs8;
}

inline Bytes spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  Bytes spki(der, der + size);
  OPENSSL_free(der);
  return spki;
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
