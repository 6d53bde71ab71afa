// The hostile module's functions that work on objects; the others are in hostile_module.cpp.
#pragma once

#include <cstring>

#include "tests/support/hostile_faults.h"
#include "tests/support/hostile_token.h"

// Each function begins with this: its fault, and the token with its lock held.
#define HOSTILE_ENTER(name)                           \
  const std::string fault = enter(name);              \
  if (const auto code = code_of(fault)) return *code; \
  Token& it = token();                                \
  const std::lock_guard lock(it.mutex);               \
  if (!it.initialised && std::strcmp(name, "Initialize") != 0) return CKR_CRYPTOKI_NOT_INITIALIZED

#define HOSTILE_SESSION(handle)                                      \
  const auto place = it.sessions.find(handle);                       \
  if (place == it.sessions.end()) return CKR_SESSION_HANDLE_INVALID; \
  [[maybe_unused]] Session& session = place->second

namespace hostile {

CK_RV create_object(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* given, CK_ULONG count,
                    CK_OBJECT_HANDLE* object);
CK_RV destroy_object(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object);
CK_RV get_attribute_value(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* asked,
                          CK_ULONG count);
CK_RV find_objects_init(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* wanted, CK_ULONG count);
CK_RV find_objects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE* objects, CK_ULONG most,
                   CK_ULONG* count);
CK_RV find_objects_final(CK_SESSION_HANDLE handle);
CK_RV sign_init(CK_SESSION_HANDLE handle, CK_MECHANISM*, CK_OBJECT_HANDLE key);
CK_RV sign(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG size, CK_BYTE* out, CK_ULONG* room);
CK_RV generate_key_pair(CK_SESSION_HANDLE handle, CK_MECHANISM*, CK_ATTRIBUTE* of_public,
                        CK_ULONG public_count, CK_ATTRIBUTE* of_private, CK_ULONG private_count,
                        CK_OBJECT_HANDLE* public_key, CK_OBJECT_HANDLE* private_key);

}  // namespace hostile
