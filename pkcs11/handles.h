// Owners of what a PKCS#11 module hands out: each releases once, and nothing else calls C_CloseSession or
// C_FindObjectsFinal.
#pragma once

#include <p11-kit/pkcs11.h>

#include <utility>

#include "pkcs11/error.h"

namespace holdfast::pkcs11 {

// A session with a token. The functions outlive it.
class Session {
 public:
  // Throws Error of C_OpenSession's kind.
  Session(const CK_FUNCTION_LIST& functions, CK_SLOT_ID slot, CK_FLAGS flags)
      : functions_(&functions) {
    check_rv("C_OpenSession",
             functions.C_OpenSession(slot, CKF_SERIAL_SESSION | flags, nullptr, nullptr, &handle_));
  }
  Session(Session&& other) noexcept
      : functions_(other.functions_), handle_(std::exchange(other.handle_, CK_INVALID_HANDLE)) {}
  Session& operator=(Session&& other) noexcept {
    std::swap(functions_, other.functions_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Session() {
    // A failure means that the session is gone.
    if (handle_ != CK_INVALID_HANDLE) functions_->C_CloseSession(handle_);
  }
  CK_SESSION_HANDLE get() const { return handle_; }

 private:
  const CK_FUNCTION_LIST* functions_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
};

// A search for objects, active in a session until it goes (PKCS #11 v3.0 §5.7.8).
class Search {
 public:
  Search(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, CK_ATTRIBUTE* wanted,
         CK_ULONG count)
      : functions_(functions), session_(session) {
    begun_ = functions.C_FindObjectsInit(session, wanted, count);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  ~Search() {
    if (begun_ == CKR_OK) functions_.C_FindObjectsFinal(session_);
  }
  CK_RV begun() const { return begun_; }

 private:
  const CK_FUNCTION_LIST& functions_;
  CK_SESSION_HANDLE session_;
  CK_RV begun_;
};

}  // namespace holdfast::pkcs11
