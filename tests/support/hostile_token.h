// The token behind the hostile module: software keys in memory, of which two are always there, so that
// they survive the process.
#pragma once

#include <p11-kit/pkcs11.h>

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/openssl.h"

namespace hostile {

using holdfast::Bytes;
using holdfast::ByteView;

struct Object {
  std::map<CK_ATTRIBUTE_TYPE, Bytes> attributes;
  std::shared_ptr<EVP_PKEY> pair;
  Bytes secret;

  bool has(const CK_ATTRIBUTE& wanted) const;
};

struct Session {
  std::vector<CK_OBJECT_HANDLE> found;
  std::shared_ptr<const Object> signs;  // an operation is active
  bool authenticated = false;           // for it
};

inline constexpr const char* kPin = "7391";

// Everything is guarded by `mutex`.
struct Token {
  std::mutex mutex;
  bool initialised = false, logged_in = false, wrong_pin_last = false;
  std::map<CK_SESSION_HANDLE, Session> sessions;
  std::map<CK_OBJECT_HANDLE, std::shared_ptr<Object>> objects;
  unsigned long next = 1;

  Token();
  CK_OBJECT_HANDLE add(Object object);
  CK_OBJECT_HANDLE add_pair(std::shared_ptr<EVP_PKEY> pair,
                            const std::vector<CK_ATTRIBUTE>& of_public,
                            const std::vector<CK_ATTRIBUTE>& of_private,
                            CK_OBJECT_HANDLE* public_handle);
};
Token& token();

// ECDSA's r‖s, or the MAC.
Bytes signature_of(const Object& key, ByteView data);

}  // namespace hostile
