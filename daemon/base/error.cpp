#include "daemon/base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

namespace holdfast {

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid_request:
      return "invalid_request";
    case ErrorKind::not_permitted:
      return "not_permitted";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::method_not_allowed:
      return "method_not_allowed";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::conflict:
      return "conflict";
    case ErrorKind::too_large:
      return "too_large";
    case ErrorKind::unsupported:
      return "unsupported";
    case ErrorKind::limit_exceeded:
      return "limit_exceeded";
    case ErrorKind::overloaded:
      return "overloaded";
    case ErrorKind::device_unavailable:
      return "device_unavailable";
    case ErrorKind::key_lost:
      return "key_lost";
    case ErrorKind::audit_unavailable:
      return "audit_unavailable";
    case ErrorKind::clock_untrusted:
      return "clock_untrusted";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

Error::Error(ErrorKind kind, std::string detail, std::string where, std::int64_t native_code)
    : kind_(kind), native_code_(native_code), where_(std::move(where)), detail_(std::move(detail)) {
  what_ = where_.empty() ? detail_ : where_ + ": " + detail_;
}

void throw_errno(ErrorKind kind, std::string_view where) {
  const int code = errno;
  throw Error(kind, std::system_category().message(code), std::string(where), code);
}

}  // namespace holdfast
