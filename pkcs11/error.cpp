#include "pkcs11/error.h"

#include <array>
#include <cstdio>

namespace holdfast::pkcs11 {
namespace {

struct Meaning {
  ErrorKind kind;
  std::string_view text;
};

constexpr Meaning kGone{ErrorKind::device_unavailable,
                        "the token or the way to it is broken; it has to be opened again"};
constexpr Meaning kSessions{ErrorKind::device_unavailable,
                            "the token closes its sessions; it has to be opened again"};
constexpr Meaning kLogin{ErrorKind::device_unavailable,
                         "the token is not logged in to, or by another user; it has to be opened "
                         "again"};
constexpr Meaning kPin{ErrorKind::device_unavailable,
                       "the token refuses the PIN, which is not tried again; see docs/recovery.md"};
constexpr Meaning kLost{ErrorKind::key_lost,
                        "the key is not on the token any more; see docs/recovery.md"};
constexpr Meaning kCannot{ErrorKind::unsupported,
                          "the token can't do this; choose another key type or algorithm"};
constexpr Meaning kReadOnly{ErrorKind::unsupported,
                            "the token can't be written to; make the key with its vendor's tools "
                            "and enrol it"};
constexpr Meaning kFull{ErrorKind::unsupported,
                        "the token has no room left: delete keys that nobody uses"};
constexpr Meaning kData{ErrorKind::invalid_request, "the token refuses data of this size or form"};
constexpr Meaning kRefused{ErrorKind::internal, "the token refused a command"};

Meaning meaning_of(CK_RV rv) noexcept {
  switch (rv) {
    case CKR_HOST_MEMORY:
    case CKR_SLOT_ID_INVALID:
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_REMOVED:
    case CKR_FUNCTION_CANCELED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_FIPS_SELF_TEST_FAILED:
    case CKR_LIBRARY_LOAD_FAILED:
    case CKR_RANDOM_NO_RNG:
      return kGone;

    case CKR_SESSION_CLOSED:
    case CKR_SESSION_COUNT:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_EXISTS:
    case CKR_SESSION_READ_WRITE_SO_EXISTS:
      return kSessions;

    case CKR_USER_NOT_LOGGED_IN:
    case CKR_USER_PIN_NOT_INITIALIZED:
    case CKR_USER_TYPE_INVALID:
    case CKR_USER_ANOTHER_ALREADY_LOGGED_IN:
    case CKR_USER_TOO_MANY_TYPES:
      return kLogin;

    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
      return kPin;

    case CKR_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_KEY_CHANGED:
      return kLost;

    case CKR_ACTION_PROHIBITED:
    case CKR_ATTRIBUTE_READ_ONLY:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_VALUE_INVALID:
    case CKR_CURVE_NOT_SUPPORTED:
    case CKR_DOMAIN_PARAMS_INVALID:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_FUNCTION_REJECTED:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_KEY_SIZE_RANGE:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_TEMPLATE_INCOMPLETE:
    case CKR_TEMPLATE_INCONSISTENT:
      return kCannot;
    case CKR_SESSION_READ_ONLY:
    case CKR_SESSION_READ_ONLY_EXISTS:
    case CKR_TOKEN_WRITE_PROTECTED:
      return kReadOnly;
    case CKR_DEVICE_MEMORY:
    case 0x201:  // CKR_TOKEN_RESOURCE_EXCEEDED, newer than the header
      return kFull;

    case CKR_DATA_INVALID:
    case CKR_DATA_LEN_RANGE:
      return kData;
    default:
      return kRefused;
  }
}

}  // namespace

Recovery recovery_of(CK_RV rv) noexcept {
  switch (rv) {
    case CKR_HOST_MEMORY:
    case CKR_GENERAL_ERROR:
    case CKR_FUNCTION_FAILED:
    case CKR_FUNCTION_CANCELED:
      return Recovery::question;
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
      return Recovery::session;
    case CKR_USER_NOT_LOGGED_IN:
      return Recovery::login;
    case CKR_KEY_HANDLE_INVALID:
    case CKR_OBJECT_HANDLE_INVALID:
      return Recovery::object;
    default:
      return Recovery::none;
  }
}

std::string with_code(std::string_view text, CK_RV rv) {
  std::array<char, 32> code;
  std::snprintf(code.data(), code.size(), " (0x%lX", rv);
  std::string full = std::string(text) + code.data();
  if (const std::string_view name = name_of(rv); !name.empty()) full += ": " + std::string(name);
  return full + ")";
}

void throw_rv(std::string_view where, CK_RV rv) {
  const Meaning meaning = meaning_of(rv);
  throw Error(meaning.kind, with_code(meaning.text, rv), std::string(where),
              static_cast<std::int64_t>(rv));
}

void throw_failed(std::string_view where, CK_RV rv) {
  throw Error(ErrorKind::internal,
              with_code("the command failed on the token, which answers all the same", rv),
              std::string(where), static_cast<std::int64_t>(rv));
}

void check_rv(std::string_view where, CK_RV rv) {
  if (rv != CKR_OK) throw_rv(where, rv);
}

void throw_broken(std::string_view where, std::string_view what) {
  throw Error(ErrorKind::internal, "the PKCS#11 module is broken: it gave " + std::string(what),
              std::string(where));
}

}  // namespace holdfast::pkcs11
