// One token among those that a module shows.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>

#include "pkcs11/module.h"

namespace holdfast::pkcs11 {

struct Token {
  std::shared_ptr<const Module> module;
  CK_SLOT_ID slot;
  CK_TOKEN_INFO info;  // as it was when it was found

  const CK_FUNCTION_LIST& functions() const { return module->functions(); }
};

// The one token that fits the RFC 7512 URI (§2.3: label, serial, manufacturer, model). Throws Error:
// invalid_request for a URI that is malformed, names more than a token, or fits several;
// device_unavailable where none fits. The detail says which tokens there are.
Token find_token(std::shared_ptr<const Module> module, const std::string& uri);

// As the token says them now. Throws Error{device_unavailable}, also where the token is another than the
// one that was found.
CK_TOKEN_INFO current_info(const Token& token);

// Hex; the same for one token whatever its label, and another for another one. SoftHSM gives an initialised token another
// serial too; most hardware keeps it, and then the keys that were on it are lost one by one.
std::string identity_of(const CK_TOKEN_INFO& info);

std::string model_of(const CK_TOKEN_INFO& info);  // manufacturer, model and firmware, printable
bool is_software(const CK_TOKEN_INFO& info);      // as far as its own words tell

}  // namespace holdfast::pkcs11
