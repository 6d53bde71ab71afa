#include <openssl/ec.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "tests/support/hostile_functions.h"

namespace hostile {
namespace {

std::vector<CK_ATTRIBUTE> listed(const CK_ATTRIBUTE* given, CK_ULONG count) {
  return {given, given + count};
}

}  // namespace

CK_RV create_object(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* given, CK_ULONG count,
                    CK_OBJECT_HANDLE* object) {
  HOSTILE_ENTER("CreateObject");
  HOSTILE_SESSION(handle);
  if (!it.logged_in) return CKR_USER_NOT_LOGGED_IN;
  Object made;
  for (const CK_ATTRIBUTE& attribute : listed(given, count)) {
    const auto* const raw = static_cast<const std::uint8_t*>(attribute.pValue);
    Bytes value(raw, raw + attribute.ulValueLen);
    (attribute.type == CKA_VALUE ? made.secret : made.attributes[attribute.type]) = value;
  }
  const CK_KEY_TYPE generic = CKK_GENERIC_SECRET;
  const std::string refused = setting("generic_secret");
  if (!refused.empty() &&
      made.has({CKA_KEY_TYPE, const_cast<CK_KEY_TYPE*>(&generic), sizeof generic}))
    return std::strtoul(refused.c_str(), nullptr, 0);
  *object = it.add(std::move(made));
  return CKR_OK;
}

CK_RV destroy_object(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object) {
  HOSTILE_ENTER("DestroyObject");
  HOSTILE_SESSION(handle);
  return it.objects.erase(object) == 1 ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV get_attribute_value(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* asked,
                          CK_ULONG count) {
  HOSTILE_ENTER("GetAttributeValue");
  HOSTILE_SESSION(handle);
  const auto found = it.objects.find(object);
  if (found == it.objects.end()) return CKR_OBJECT_HANDLE_INVALID;
  for (CK_ULONG i = 0; i < count; ++i) {
    auto value = found->second->attributes[asked[i].type];
    if (asked[i].type == CKA_ALWAYS_AUTHENTICATE && setting("always") == "yes") value = {CK_TRUE};
    if (asked[i].type == CKA_EC_POINT && !value.empty()) {
      if (setting("point") == "bare") value.erase(value.begin(), value.begin() + 2);
      if (setting("point") == "other") value = it.objects.at(1)->attributes.at(CKA_EC_POINT);
    }
    if (fault == "long") asked[i].ulValueLen = 1'000'000;
    if (fault == "long") return CKR_OK;
    if (value.empty()) {
      asked[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
      return CKR_ATTRIBUTE_TYPE_INVALID;
    }
    if (asked[i].ulValueLen < value.size()) return CKR_BUFFER_TOO_SMALL;
    asked[i].ulValueLen = value.size();
    std::copy(value.begin(), value.end(), static_cast<std::uint8_t*>(asked[i].pValue));
  }
  return CKR_OK;
}

CK_RV find_objects_init(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* wanted, CK_ULONG count) {
  HOSTILE_ENTER("FindObjectsInit");
  HOSTILE_SESSION(handle);
  session.found.clear();
  for (const auto& [number, object] : it.objects) {
    const auto all = listed(wanted, count);
    const bool is_private = object->pair != nullptr || !object->secret.empty();
    if ((it.logged_in || !is_private) &&
        std::ranges::all_of(all, [&](const CK_ATTRIBUTE& one) { return object->has(one); }))
      session.found.push_back(number);
  }
  return CKR_OK;
}

CK_RV find_objects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE* objects, CK_ULONG most,
                   CK_ULONG* count) {
  HOSTILE_ENTER("FindObjects");
  HOSTILE_SESSION(handle);
  *count = std::min<CK_ULONG>(most, session.found.size());
  std::copy_n(session.found.begin(), *count, objects);
  session.found.erase(session.found.begin(), session.found.begin() + static_cast<long>(*count));
  if (fault == "long") *count = 100'000;
  return CKR_OK;
}

CK_RV find_objects_final(CK_SESSION_HANDLE handle) {
  HOSTILE_ENTER("FindObjectsFinal");
  HOSTILE_SESSION(handle);
  return CKR_OK;
}

CK_RV sign_init(CK_SESSION_HANDLE handle, CK_MECHANISM*, CK_OBJECT_HANDLE key) {
  HOSTILE_ENTER("SignInit");
  HOSTILE_SESSION(handle);
  if (!it.logged_in) return CKR_USER_NOT_LOGGED_IN;
  if (session.signs != nullptr) return CKR_OPERATION_ACTIVE;
  const auto found = it.objects.find(key);
  if (found == it.objects.end()) return CKR_KEY_HANDLE_INVALID;
  session.signs = found->second;
  session.authenticated = false;
  return CKR_OK;
}

CK_RV sign(CK_SESSION_HANDLE handle, CK_BYTE* data, CK_ULONG size, CK_BYTE* out, CK_ULONG* room) {
  HOSTILE_ENTER("Sign");
  HOSTILE_SESSION(handle);
  const auto key = std::exchange(session.signs, nullptr);
  if (key == nullptr) return CKR_OPERATION_NOT_INITIALIZED;
  if (setting("always") == "yes" && !session.authenticated) return CKR_USER_NOT_LOGGED_IN;
  Bytes signature = signature_of(*key, {data, size});
  if (fault == "garbage") signature = holdfast::random_bytes(signature.size());
  if (*room < signature.size()) return CKR_BUFFER_TOO_SMALL;
  std::copy(signature.begin(), signature.end(), out);
  *room = signature.size();
  if (fault == "short") --*room;
  if (fault == "long") ++*room;
  if (fault == "longest") *room = 1'000'000;
  return CKR_OK;
}

CK_RV generate_key_pair(CK_SESSION_HANDLE handle, CK_MECHANISM*, CK_ATTRIBUTE* of_public,
                        CK_ULONG public_count, CK_ATTRIBUTE* of_private, CK_ULONG private_count,
                        CK_OBJECT_HANDLE* public_key, CK_OBJECT_HANDLE* private_key) {
  HOSTILE_ENTER("GenerateKeyPair");
  HOSTILE_SESSION(handle);
  if (!it.logged_in) return CKR_USER_NOT_LOGGED_IN;
  *private_key = it.add_pair({EVP_EC_gen("P-256"), EVP_PKEY_free}, listed(of_public, public_count),
                             listed(of_private, private_count), public_key);
  return fault == "half" ? CKR_DEVICE_ERROR : CKR_OK;
}

}  // namespace hostile
