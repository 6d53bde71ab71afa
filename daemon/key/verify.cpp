#include "daemon/key/verify.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast {
namespace {

const EVP_MD* digest_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256:
    case Algorithm::rs256:
    case Algorithm::ps256:
      return EVP_sha256();
    case Algorithm::es384:
      return EVP_sha384();
    case Algorithm::eddsa:
      break;
  }
  throw Error(ErrorKind::unsupported,
              "no digest is signed with " + std::string(to_string(algorithm)));
}

bool is_ecdsa(Algorithm algorithm) {
  return algorithm == Algorithm::es256 || algorithm == Algorithm::es384;
}

// RFC 8032 §5.1.7. OpenSSL would hash for a key of another type, and that is no EdDSA.
bool verifies_eddsa(EVP_PKEY* key, ByteView message, ByteView signature) {
  const EvpMdCtx context(EVP_MD_CTX_new());
  if (!context || EVP_PKEY_is_a(key, "ED25519") != 1 ||
      EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) != 1)
    throw_openssl("EVP_DigestVerifyInit");
  const bool good = EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                     message.data(), message.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

Bytes to_be_signed(Algorithm algorithm, std::string_view message) {
  if (algorithm == Algorithm::eddsa) return {message.begin(), message.end()};
  Bytes digest(digest_bytes(algorithm));
  if (EVP_Digest(message.data(), message.size(), digest.data(), nullptr, digest_of(algorithm),
                 nullptr) != 1)
    throw_openssl("EVP_Digest");
  return digest;
}

EVP_PKEY* Verifier::find(ByteView public_key) {
  std::string name(as_text(public_key));
  if (const auto known = keys_.find(name); known != keys_.end()) return known->second.get();
  EvpPkey key = public_key_from_spki(public_key);
  if (keys_.size() == kLimit) keys_.clear();
  return keys_.emplace(std::move(name), std::move(key)).first->second.get();
}

void Verifier::forget(ByteView public_key) {
  keys_.erase(std::string(as_text(public_key)));
}

bool Verifier::verifies(ByteView public_key, Algorithm algorithm, ByteView digest,
                        ByteView signature) {
  EVP_PKEY* key = find(public_key);
  if (algorithm == Algorithm::eddsa) return verifies_eddsa(key, digest, signature);
  const EvpPkeyCtx context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!context || EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), digest_of(algorithm)) != 1)
    throw_openssl("EVP_PKEY_verify_init");
  // RFC 7518 §3.5: PS256's salt is as long as its digest.
  if (algorithm == Algorithm::ps256 &&
      (EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), RSA_PSS_SALTLEN_DIGEST) != 1))
    throw_openssl("RSA-PSS");
  const Bytes der =
      is_ecdsa(algorithm) ? ecdsa_raw_to_der(signature) : Bytes(signature.begin(), signature.end());
  const bool good =
      EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace holdfast
