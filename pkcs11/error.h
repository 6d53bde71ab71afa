// CK_RV, translated once (PKCS #11 v3.0 §5.1).
#pragma once

#include <p11-kit/pkcs11.h>

#include <string>
#include <string_view>

#include "daemon/base/error.h"

namespace holdfast::pkcs11 {

// "CKR_DEVICE_ERROR"; empty for a code that the specification does not name.
std::string_view name_of(CK_RV rv) noexcept;

// What may heal a failure. Each is tried once in a call; nothing else is ever repeated, and a PIN never.
enum class Recovery {
  none,
  question,  // says nothing of where it failed: the token may be gone, or only this command have failed
  session,  // the session is gone, and others with it perhaps: open them anew
  login,    // log in, once for all sessions
  object,   // the handle is stale: find the object again
};
Recovery recovery_of(CK_RV rv) noexcept;

// Throws the Error that `rv` means unless it is success: `where` is the function.
void check_rv(std::string_view where, CK_RV rv);
[[noreturn]] void throw_rv(std::string_view where, CK_RV rv);

// For one of Recovery::question whose token is there all the same.
[[noreturn]] void throw_failed(std::string_view where, CK_RV rv);

// A failure that Sessions::run() is to judge, from deep within an operation.
struct RvFailure {
  CK_RV rv;
};

// For a failure that is an answer: true on success, false on one of `codes`.
template <CK_RV... codes>
bool check_rv_expecting(std::string_view where, CK_RV rv) {
  if (((rv == codes) || ...)) return false;
  check_rv(where, rv);
  return true;
}

// `text` with the code and its name, as every Error of a module's has it.
std::string with_code(std::string_view text, CK_RV rv);

// The module broke the specification's promise about what it returns.
[[noreturn]] void throw_broken(std::string_view where, std::string_view what);

}  // namespace holdfast::pkcs11
