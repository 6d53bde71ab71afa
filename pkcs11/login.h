// The user's PIN, and the only calls of C_Login.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <mutex>
#include <string>

#include "daemon/base/pin_mark.h"
#include "daemon/base/secret.h"
#include "pkcs11/token.h"

namespace holdfast::pkcs11 {

// A PIN that the token refused once is never given to it again while this process lives. None is given where `mark` says
// that one was refused, nor where the token says that a wrong one came last (CKF_USER_PIN_COUNT_LOW), unless
// `mark` says that an administrator means it: repeated log-ins lock tokens. Thread-safe.
class Login {
 public:
  // Throws Error{invalid_request} where the token demands a PIN and `pin` is empty.
  Login(const Token& token, const Secret& pin, std::shared_ptr<const PinMark> mark,
        std::string device);

  // Logs all sessions in, unless they are. Throws Error{device_unavailable} where the token refuses or
  // would be asked a second time: with where() "C_Login", unless no PIN was judged.
  void log_in(CK_SESSION_HANDLE session);

  // Are there keys that can't be seen because nobody is logged in?
  bool is_missing(CK_SESSION_HANDLE session) const;

  // For the operation that was begun in `session` with a key of CKA_ALWAYS_AUTHENTICATE
  // (PKCS #11 v3.0 §5.6.8). Throws as log_in() does.
  void authenticate(CK_SESSION_HANDLE session);

 private:
  void give_pin(CK_SESSION_HANDLE session, CK_USER_TYPE user);
  [[noreturn]] void stay_out(const std::string& why) const;
  void demand_no_failure_before(bool accepted) const;

  const Token& token_;
  Secret pin_;
  std::shared_ptr<const PinMark> mark_;
  std::string device_;
  std::mutex mutex_;
};

}  // namespace holdfast::pkcs11
