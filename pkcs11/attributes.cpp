#include "pkcs11/attributes.h"

#include <array>
#include <cstring>

#include "daemon/base/secret.h"
#include "pkcs11/error.h"
#include "pkcs11/handles.h"

namespace holdfast::pkcs11 {
namespace {

struct Demand {
  CK_ATTRIBUTE_TYPE type;
  std::string_view name;
  bool value;
  enum { every_key, made, made_secret } of;
};

constexpr std::array kDemands{
    Demand{CKA_SENSITIVE, "CKA_SENSITIVE", true, Demand::every_key},
    Demand{CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false, Demand::every_key},
    Demand{CKA_SIGN, "CKA_SIGN", true, Demand::every_key},
    Demand{CKA_TOKEN, "CKA_TOKEN", true, Demand::every_key},
    Demand{CKA_PRIVATE, "CKA_PRIVATE", true, Demand::made},
    Demand{CKA_DECRYPT, "CKA_DECRYPT", false, Demand::made},
    Demand{CKA_ENCRYPT, "CKA_ENCRYPT", false, Demand::made_secret},
    Demand{CKA_UNWRAP, "CKA_UNWRAP", false, Demand::made},
    Demand{CKA_WRAP, "CKA_WRAP", false, Demand::made_secret},
    Demand{CKA_DERIVE, "CKA_DERIVE", false, Demand::made},
};

}  // namespace

// §5.7.5: one attribute a call, so that no other's answer clouds this one's.
std::optional<Bytes> Attributes::bytes(CK_ATTRIBUTE_TYPE type) const {
  Bytes value(kMostAttributeBytes);
  CK_ATTRIBUTE asked{type, value.data(), value.size()};
  const CK_RV rv = functions_.C_GetAttributeValue(session_, object_, &asked, 1);
  switch (rv) {
    case CKR_OK:
      break;
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_SENSITIVE:
      return std::nullopt;
    default:
      throw RvFailure{rv};
  }
  if (asked.ulValueLen == CK_UNAVAILABLE_INFORMATION) return std::nullopt;
  if (asked.ulValueLen > value.size())
    throw_broken("C_GetAttributeValue", "a longer value than there was room for");
  value.resize(asked.ulValueLen);
  return value;
}

std::optional<CK_ULONG> Attributes::number(CK_ATTRIBUTE_TYPE type) const {
  const auto value = bytes(type);
  if (!value) return std::nullopt;
  CK_ULONG number = 0;
  if (value->size() != sizeof number)
    throw_broken("C_GetAttributeValue", "a number of another size");
  std::memcpy(&number, value->data(), sizeof number);
  return number;
}

bool Attributes::boolean(CK_ATTRIBUTE_TYPE type, bool otherwise) const {
  const auto value = bytes(type);
  if (!value) return otherwise;
  if (value->size() != sizeof(CK_BBOOL))
    throw_broken("C_GetAttributeValue", "a boolean of another size");
  return value->front() != CK_FALSE;
}

std::vector<CK_OBJECT_HANDLE> find_objects(const CK_FUNCTION_LIST& functions,
                                           CK_SESSION_HANDLE session,
                                           std::vector<CK_ATTRIBUTE> wanted) {
  const Search search(functions, session, wanted.data(), wanted.size());
  if (search.begun() != CKR_OK) throw RvFailure{search.begun()};
  std::vector<CK_OBJECT_HANDLE> found;
  // §5.7.9: none means that there are no more.
  while (found.size() < kMostFound) {
    std::array<CK_OBJECT_HANDLE, 16> some{};
    CK_ULONG count = 0;
    const CK_RV rv = functions.C_FindObjects(session, some.data(), some.size(), &count);
    if (rv != CKR_OK) throw RvFailure{rv};
    if (count > some.size()) throw_broken("C_FindObjects", "more objects than there was room for");
    if (count == 0) break;
    found.insert(found.end(), some.begin(), some.begin() + count);
  }
  return found;
}

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, ByteView value) {
  return {type, const_cast<std::uint8_t*>(value.data()), value.size()};
}

// An attribute that the object doesn't show counts as the wrong one where the key itself depends on it, and
// as absent where it would only let the key do more.
std::optional<std::string> weakness_of(const Attributes& key, Origin origin) {
  // Of private keys the two mean nothing (PKCS #11 v3.0 §4.9), and tpm2-pkcs11 says them.
  const bool is_secret = key.number(CKA_CLASS) == CK_ULONG{CKO_SECRET_KEY};
  for (const Demand& demand : kDemands) {
    if (demand.of != Demand::every_key && origin != Origin::made) continue;
    if (demand.of == Demand::made_secret && !is_secret) continue;
    const bool otherwise = demand.of == Demand::every_key ? !demand.value : demand.value;
    if (key.boolean(demand.type, otherwise) != demand.value)
      return std::string(demand.name) + " has to be " + (demand.value ? "true" : "false");
  }
  return std::nullopt;
}

}  // namespace holdfast::pkcs11
