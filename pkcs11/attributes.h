// Attributes of objects, read into buffers of our own whose bounds no module can move.
#pragma once

#include <p11-kit/pkcs11.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/bytes.h"
#include "pkcs11/token.h"

namespace holdfast::pkcs11 {

inline constexpr std::size_t kMostAttributeBytes = 16384;  // a certificate's

// An object, as one session sees it.
class Attributes {
 public:
  Attributes(const CK_FUNCTION_LIST& functions, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
      : functions_(functions), session_(session), object_(object) {}

  // nullopt where the object has no such attribute or doesn't show it. Throw RvFailure with
  // another answer of C_GetAttributeValue's, and Error{internal} for a length that can't be.
  std::optional<Bytes> bytes(CK_ATTRIBUTE_TYPE type) const;
  std::optional<CK_ULONG> number(CK_ATTRIBUTE_TYPE type) const;
  // `otherwise` where the object doesn't say.
  bool boolean(CK_ATTRIBUTE_TYPE type, bool otherwise) const;

 private:
  const CK_FUNCTION_LIST& functions_;
  CK_SESSION_HANDLE session_;
  CK_OBJECT_HANDLE object_;
};

// The objects that have all of `wanted`; of more than kMostFound only the first are told.
inline constexpr std::size_t kMostFound = 64;
std::vector<CK_OBJECT_HANDLE> find_objects(const CK_FUNCTION_LIST& functions,
                                           CK_SESSION_HANDLE session,
                                           std::vector<CK_ATTRIBUTE> wanted);

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, ByteView value);  // `value` outlives it

// The first reason not to trust a private or secret key with our signatures, with what the attribute has to
// be: it can be read, or leave the token, or does not sign; for a key that we make, also that it does more
// than sign. nullopt where there is none.
enum class Origin { made, enrolled };
std::optional<std::string> weakness_of(const Attributes& key, Origin origin);

}  // namespace holdfast::pkcs11
