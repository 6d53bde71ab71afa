#include "tpm/session.h"

namespace holdfast::tpm {
namespace {

// A new salt now and then: a thousand signatures make its cost disappear.
constexpr int kMostUses = 1000;

TPMA_SESSION attributes_for(Session::Encrypt encrypt) {
  using enum Session::Encrypt;
  TPMA_SESSION attributes = TPMA_SESSION_CONTINUESESSION;
  if (encrypt == both || encrypt == command) attributes |= TPMA_SESSION_DECRYPT;
  if (encrypt == both || encrypt == answer) attributes |= TPMA_SESSION_ENCRYPT;
  return attributes;
}

}  // namespace

ESYS_TR Session::authorise(bool key_has_auth, Encrypt encrypt) {
  if (!always_ && !key_has_auth) return ESYS_TR_PASSWORD;
  if (!session_ || uses_ >= kMostUses) start();
  ++uses_;
  used_since_rest_ = true;
  check_rc("Esys_TRSess_SetAttributes",
           Esys_TRSess_SetAttributes(esys_, session_->get(), attributes_for(encrypt), 0xFF));
  return session_->get();
}

void Session::rest() {
  if (!used_since_rest_) session_.reset();
  used_since_rest_ = false;
}

void Session::start() {
  session_.reset();
  TPMT_SYM_DEF aes{};
  aes.algorithm = TPM2_ALG_AES;
  aes.keyBits.aes = 128;
  aes.mode.aes = TPM2_ALG_CFB;
  ESYS_TR handle = ESYS_TR_NONE;
  run("Esys_StartAuthSession", [&] {
    return Esys_StartAuthSession(esys_, root_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 ESYS_TR_NONE, nullptr, TPM2_SE_HMAC, &aes, TPM2_ALG_SHA256,
                                 &handle);
  });
  session_.emplace(esys_, handle, Object::Kind::transient);
  uses_ = 0;
}

}  // namespace holdfast::tpm
