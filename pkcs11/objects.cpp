#include "pkcs11/objects.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "pkcs11/algorithms.h"
#include "pkcs11/error.h"

namespace holdfast::pkcs11 {
namespace {

constexpr std::size_t kKnownKeys = 4096;  // then all are forgotten

[[noreturn]] void call_lost(const std::string& why) {
  throw Error(ErrorKind::key_lost, why + "; see docs/recovery.md", "C_FindObjects");
}

ByteView bytes_of(const CK_ULONG& number) {
  return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
}

std::optional<KeyType> type_of_curve(ByteView parameters) {
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384})
    if (std::ranges::equal(parameters, curve_of(type))) return type;
  return std::nullopt;
}

// PKCS #11 v3.0 §2.3.10: the OID, or the curve's name as a PrintableString.
bool is_ed25519(ByteView parameters) {
  constexpr std::string_view name =
      "\x13\x0C"
      "edwards25519";
  return std::ranges::equal(parameters, curve_of(KeyType::ed25519)) || as_text(parameters) == name;
}

std::optional<KeyType> type_of_modulus(const Bytes& modulus) {
  const auto first =
      std::find_if(modulus.begin(), modulus.end(), [](auto byte) { return byte != 0; });
  const auto size = static_cast<CK_ULONG>(modulus.end() - first);
  for (const KeyType type : {KeyType::rsa_2048, KeyType::rsa_3072})
    if (size * 8 == modulus_bits(type) && (*first & 0x80) != 0) return type;
  return std::nullopt;
}

}  // namespace

std::optional<KeyType> type_of(const Attributes& key) {
  const CK_ULONG type = key.number(CKA_KEY_TYPE).value_or(CK_UNAVAILABLE_INFORMATION);
  switch (type) {
    case CKK_EC:
      return type_of_curve(key.bytes(CKA_EC_PARAMS).value_or(Bytes()));
    case CKK_EC_EDWARDS:
      if (is_ed25519(key.bytes(CKA_EC_PARAMS).value_or(Bytes()))) return KeyType::ed25519;
      return std::nullopt;
    case CKK_RSA:
      return type_of_modulus(key.bytes(CKA_MODULUS).value_or(Bytes()));
    case CKK_GENERIC_SECRET:
    case CKK_SHA256_HMAC:
      return KeyType::hmac_sha256;
    default:
      return std::nullopt;
  }
}

Objects::Loaded Objects::use(const Sessions::Use& use, ByteView object) {
  std::string text(as_text(object));
  {
    const std::shared_lock lock(mutex_);
    const auto known = entries_.find(text);
    if (known != entries_.end() && known->second.generation == use.generation)
      return known->second.key;
  }
  const Loaded key = find(use, object);
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= kKnownKeys) entries_.clear();
  entries_.insert_or_assign(std::move(text), Entry{use.generation, key});
  return key;
}

Objects::Loaded Objects::find(const Sessions::Use& use, ByteView object) const {
  const auto name = decode(object);
  if (!name) call_lost("the key's name is not one that this program writes");
  const CK_FUNCTION_LIST& functions = token_.functions();
  const auto found = find_objects(
      functions, use.session,
      {attribute(CKA_CLASS, bytes_of(name->object_class)), attribute(CKA_ID, name->id)});
  if (found.empty()) {
    // A token that nobody is logged in to hides its private objects.
    if (login_.is_missing(use.session)) throw RvFailure{CKR_USER_NOT_LOGGED_IN};
    current_info(token_);  // so does one that is gone
    call_lost("the token has no such key: it was deleted there, or this is another token");
  }
  if (found.size() > 1) call_lost("the token has several keys with this CKA_ID");
  const Attributes attributes(functions, use.session, found.front());
  const auto type = type_of(attributes);
  if (!type) call_lost("the token has another object under the key's CKA_ID");
  if (const auto weakness = weakness_of(attributes, name->origin))
    call_lost("the key on the token is not safe to use any more: " + *weakness);
  return {found.front(), *type, attributes.boolean(CKA_ALWAYS_AUTHENTICATE, false)};
}

void Objects::destroy(const Sessions::Use& use, ByteView id) {
  const CK_FUNCTION_LIST& functions = token_.functions();
  for (const CK_ULONG kind : {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY})
    for (const CK_OBJECT_HANDLE object :
         find_objects(functions, use.session,
                      {attribute(CKA_CLASS, bytes_of(kind)), attribute(CKA_ID, id)})) {
      const CK_RV rv = functions.C_DestroyObject(use.session, object);
      if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID) throw RvFailure{rv};
    }
  if (login_.is_missing(use.session)) throw RvFailure{CKR_USER_NOT_LOGGED_IN};
}

void Objects::forget(ByteView object) {
  const std::lock_guard lock(mutex_);
  entries_.erase(std::string(as_text(object)));
}

}  // namespace holdfast::pkcs11
