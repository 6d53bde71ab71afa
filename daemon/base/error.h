// The one error type. A throw carries it to the one catch in serve(); its kind decides the reply.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace holdfast {

// What the caller should do about it. The protocol's codes (sdk/API.md) are these names.
enum class ErrorKind : std::uint8_t {
  invalid_request,     // correct the request; detail names the field
  not_permitted,       // ask for a grant; a key that does not exist looks the same
  not_found,           // no such path; on the admin socket no such key
  method_not_allowed,  // use the method the documentation gives
  timeout,             // send the whole request sooner
  conflict,            // exists already, or is in another state: look first
  too_large,           // send less
  unsupported,         // the device can't do this; choose another key type or algorithm
  limit_exceeded,      // a grant's limit: wait for Retry-After
  overloaded,          // queue full or deadline passed: wait for Retry-After
  device_unavailable,  // being brought back: try again
  key_lost,            // the key no longer loads: docs/recovery.md
  audit_unavailable,   // the record can't be written: an administrator has to act
  clock_untrusted,     // the clock went backwards: an administrator has to accept it
  internal,            // a defect of ours
};
inline constexpr int kErrorKinds = static_cast<int>(ErrorKind::internal) + 1;

// The name as the protocol spells it, such as "not_permitted".
std::string_view to_string(ErrorKind kind) noexcept;

// Immutable once thrown. `detail` is for the caller and holds no secret; `where` is for the log;
// `native_code` is the device's or errno's own number, 0 where there is none.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string detail, std::string where = {}, std::int64_t native_code = 0);

  ErrorKind kind() const noexcept { return kind_; }
  const std::string& detail() const noexcept { return detail_; }
  const std::string& where() const noexcept { return where_; }
  std::int64_t native_code() const noexcept { return native_code_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  ErrorKind kind_;
  std::int64_t native_code_;
  std::string where_;
  std::string detail_;
  std::string what_;
};

// Throws an Error of `kind` that names errno and its text, for a failed system call.
[[noreturn]] void throw_errno(ErrorKind kind, std::string_view where);

}  // namespace holdfast
