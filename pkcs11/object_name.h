// DeviceKey::object: the RFC 7512 URI of a private or secret key, in the one spelling that we write.
//
//   pkcs11:id=%00%01…;type=private                  that we made, with an id of 16 random bytes
//   pkcs11:id=%01;type=private?x-holdfast=enrolled  that was there before, and stays when it is removed
#pragma once

#include <p11-kit/pkcs11.h>

#include <optional>
#include <string>

#include "daemon/base/bytes.h"
#include "pkcs11/attributes.h"

namespace holdfast::pkcs11 {

inline constexpr std::size_t kMadeIdBytes = 16;
inline constexpr std::size_t kMostIdBytes = 255;

struct ObjectName {
  Bytes id;  // CKA_ID
  CK_OBJECT_CLASS object_class;
  Origin origin;
};

Bytes encode(const ObjectName& name);
std::optional<ObjectName> decode(
    ByteView object);  // nullopt for what encode() would not have written

}  // namespace holdfast::pkcs11
