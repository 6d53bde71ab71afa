#include "pkcs11/enrol.h"

#include <optional>
#include <utility>

#include "pkcs11/error.h"
#include "pkcs11/objects.h"
#include "pkcs11/public_key.h"
#include "pkcs11/uri.h"

namespace holdfast::pkcs11 {
namespace {

[[noreturn]] void refuse(ErrorKind kind, const std::string& detail) {
  throw Error(kind, detail, "enrol");
}

ByteView bytes_of(const CK_ULONG& number) {
  return {reinterpret_cast<const std::uint8_t*>(&number), sizeof number};
}

// The attributes that the URI names, and a class of ours where it names none.
std::vector<CK_ATTRIBUTE> wanted_of(P11KitUri* uri, const CK_ULONG& object_class) {
  CK_ULONG count = 0;
  const CK_ATTRIBUTE* const named = p11_kit_uri_get_attributes(uri, &count);
  std::vector<CK_ATTRIBUTE> wanted(named, named + count);
  if (p11_kit_uri_get_attribute(uri, CKA_CLASS) == nullptr)
    wanted.push_back(attribute(CKA_CLASS, bytes_of(object_class)));
  return wanted;
}

CK_ULONG class_named(P11KitUri* uri) {
  const CK_ATTRIBUTE* const named = p11_kit_uri_get_attribute(uri, CKA_CLASS);
  return named != nullptr && named->ulValueLen == sizeof(CK_ULONG)
             ? *static_cast<const CK_ULONG*>(named->pValue)
             : CK_UNAVAILABLE_INFORMATION;
}

std::pair<CK_OBJECT_HANDLE, CK_OBJECT_CLASS> find_one(const Token& token, const Sessions::Use& use,
                                                      const Login& login, P11KitUri* uri) {
  std::vector<std::pair<CK_OBJECT_HANDLE, CK_OBJECT_CLASS>> found;
  const CK_ULONG named = class_named(uri);
  for (const CK_ULONG object_class : {CKO_PRIVATE_KEY, CKO_SECRET_KEY})
    if (named == CK_UNAVAILABLE_INFORMATION || named == object_class)
      for (const CK_OBJECT_HANDLE object :
           find_objects(token.functions(), use.session, wanted_of(uri, object_class)))
        found.emplace_back(object, object_class);
  if (found.empty()) {
    if (login.is_missing(use.session)) throw RvFailure{CKR_USER_NOT_LOGGED_IN};
    refuse(ErrorKind::invalid_request,
           "the token has no private or secret key of this URI: look with p11tool --list-privkeys "
           "or pkcs11-tool --login --list-objects");
  }
  if (found.size() > 1)
    refuse(ErrorKind::invalid_request,
           "the token has " + std::to_string(found.size()) + " keys of this URI; add id=… to it");
  return found.front();
}

Bytes id_of(const Token& token, const Sessions::Use& use, const Attributes& key,
            CK_OBJECT_CLASS object_class) {
  const Bytes id = key.bytes(CKA_ID).value_or(Bytes());
  if (id.empty() || id.size() > kMostIdBytes)
    refuse(ErrorKind::conflict,
           "CKA_ID has to be set, to 1 to 255 bytes that no other key has "
           "(pkcs11-tool --set-id)");
  const CK_ULONG number = object_class;
  if (find_objects(token.functions(), use.session,
                   {attribute(CKA_CLASS, bytes_of(number)), attribute(CKA_ID, id)})
          .size() != 1)
    refuse(ErrorKind::conflict,
           "CKA_ID has to be one that no other key on the token has "
           "(pkcs11-tool --set-id)");
  return id;
}

}  // namespace

Found find_key(const Token& token, const Sessions::Use& use, const Login& login,
               const std::string& text) {
  const Uri uri = parse_uri(text);
  if (p11_kit_uri_match_token_info(uri.get(), const_cast<CK_TOKEN_INFO*>(&token.info)) == 0)
    refuse(ErrorKind::invalid_request, "the URI names another token than this device's");
  if (p11_kit_uri_get_attribute(uri.get(), CKA_ID) == nullptr &&
      p11_kit_uri_get_attribute(uri.get(), CKA_LABEL) == nullptr)
    refuse(ErrorKind::invalid_request, "the URI names no key: add id=… or object=… to it");

  const auto [object, object_class] = find_one(token, use, login, uri.get());
  const Attributes key(token.functions(), use.session, object);
  const auto type = type_of(key);
  if (!type)
    refuse(ErrorKind::unsupported,
           "the key is of no type that is signed with: P-256, P-384, RSA of 2048 or 3072 bits, "
           "Ed25519, generic secret");
  if (const auto weakness = weakness_of(key, Origin::enrolled))
    refuse(ErrorKind::conflict, "the key is too weak to be enrolled: " + *weakness);

  Found found{{id_of(token, use, key, object_class), object_class, Origin::enrolled},
              *type,
              {},
              key.boolean(CKA_ALWAYS_SENSITIVE, false) &&
                  key.boolean(CKA_NEVER_EXTRACTABLE, false) && key.boolean(CKA_LOCAL, false)};
  if (*type == KeyType::hmac_sha256) return found;
  auto public_key = public_key_of(token.functions(), use.session, object, *type, found.name.id);
  if (!public_key)
    refuse(ErrorKind::conflict,
           "the token does not tell the key's public part: a public key or certificate with the "
           "same CKA_ID has to be there");
  found.public_key = std::move(*public_key);
  return found;
}

}  // namespace holdfast::pkcs11
