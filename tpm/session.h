// How commands are authorised: by the empty password, or by one HMAC session, salted with the storage
// root key, that encrypts the first parameter each way (AES-128-CFB) and authenticates command and
// answer (TPM 2.0 Part 1 §19, §21). The session is used again and again, since a new one costs the TPM a
// Diffie-Hellman.
#pragma once

#include <optional>

#include "tpm/handles.h"

namespace holdfast::tpm {

class Session {
 public:
  // `root` lives in the same context and outlives this. `always`: for every command; else only for keys
  // that have an auth value, which must never cross in clear.
  Session(ESYS_CONTEXT* esys, ESYS_TR root, bool always)
      : esys_(esys), root_(root), always_(always) {}

  bool always() const { return always_; }

  // The first session handle of the next command, ESYS_TR_PASSWORD where it needs none.
  // `encrypt`: which of both has a first parameter that is a sized buffer.
  enum class Encrypt { both, command, answer, neither };
  ESYS_TR authorise(bool key_has_auth, Encrypt encrypt = Encrypt::both);

  // To be called every few seconds: ends a session that was not used since the last call. Beside busy
  // programs an idle one is too old after some 65,000 other sessions, and stops the TPM's resource
  // manager (TPM_RC_CONTEXT_GAP).
  void rest();

 private:
  void start();

  ESYS_CONTEXT* esys_;
  ESYS_TR root_;
  bool always_;
  std::optional<Object> session_;
  int uses_ = 0;
  bool used_since_rest_ = false;
};

}  // namespace holdfast::tpm
