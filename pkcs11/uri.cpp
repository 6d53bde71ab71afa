#include "pkcs11/uri.h"

#include "daemon/base/error.h"
#include "daemon/key/backend.h"

namespace holdfast::pkcs11 {
namespace {

[[noreturn]] void refuse(const std::string& detail) {
  throw Error(ErrorKind::invalid_request, "the PKCS#11 URI " + detail, "parse_uri");
}

}  // namespace

Uri parse_uri(const std::string& text) {
  if (text.size() > kMostUriBytes) refuse("has more than 2048 bytes");
  if (text.find('\0') != std::string::npos) refuse("holds a NUL");
  Uri uri(p11_kit_uri_new());
  if (!uri) throw std::bad_alloc();
  const int rc = p11_kit_uri_parse(text.c_str(), P11_KIT_URI_FOR_ANY, uri.get());
  if (rc != P11_KIT_URI_OK) {
    const char* const why = p11_kit_uri_message(rc);
    refuse(std::string("is malformed (RFC 7512): ") + (why != nullptr ? why : "no reason given"));
  }
  if (p11_kit_uri_any_unrecognized(uri.get()) != 0)
    refuse(
        "has an attribute that is not known; use token, serial, manufacturer, model, and for "
        "a key id, object, type");
  if (p11_kit_uri_get_slot_id(uri.get()) != static_cast<CK_SLOT_ID>(-1))
    refuse("names a slot, whose number changes; use token and serial");
  if (p11_kit_uri_get_pin_value(uri.get()) != nullptr ||
      p11_kit_uri_get_pin_source(uri.get()) != nullptr)
    refuse("holds a PIN or where it is; the configuration's `pin` says that");
  if (p11_kit_uri_get_module_path(uri.get()) != nullptr ||
      p11_kit_uri_get_module_name(uri.get()) != nullptr)
    refuse("names a module; the configuration's `module` says that");
  return uri;
}

}  // namespace holdfast::pkcs11
