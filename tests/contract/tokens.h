// Objects that another program put on a SoftHSM token, by the module itself.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

#include "pkcs11/templates.h"
#include "pkcs11/token.h"
#include "tests/support/softhsm.h"

namespace holdfast::test {

// One session with the token of this label, logged in until it goes.
class ForeignSession {
 public:
  explicit ForeignSession(const std::string& label);
  ForeignSession(const ForeignSession&) = delete;
  ForeignSession& operator=(const ForeignSession&) = delete;
  ~ForeignSession();

  // Throws Error of the kind that C_CreateObject's answer means.
  CK_OBJECT_HANDLE create(pkcs11::Template object) const;
  // The number of objects whose CKA_ID this is.
  std::size_t count(ByteView id) const;
  // Of the private or secret key with this CKA_ID.
  bool flag(ByteView id, CK_ATTRIBUTE_TYPE type) const;

 private:
  const CK_FUNCTION_LIST& functions() const { return token_.functions(); }

  pkcs11::Token token_;
  CK_SESSION_HANDLE session_ = CK_INVALID_HANDLE;
};

// A P-256 private key as somebody else would import it, and its public key beside it.
struct Weakness {
  bool sensitive = true, extractable = false, sign = true;
};
pkcs11::Template foreign_private_key(EVP_PKEY* pair, ByteView id, Weakness weakness = {});
pkcs11::Template foreign_public_key(EVP_PKEY* pair, ByteView id);

}  // namespace holdfast::test
