#include "sdk/cli/failure.h"

#include <boost/json.hpp>
#include <optional>

namespace holdfast::cli {
namespace {

std::optional<ErrorKind> kind_from(std::string_view code) {
  for (int i = 0; i < kErrorKinds; ++i)
    if (to_string(static_cast<ErrorKind>(i)) == code) return static_cast<ErrorKind>(i);
  return std::nullopt;
}

Exit exit_for(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::not_permitted:
      return Exit::refused;
    case ErrorKind::timeout:
    case ErrorKind::limit_exceeded:
    case ErrorKind::overloaded:
    case ErrorKind::device_unavailable:
      return Exit::later;
    default:
      return Exit::failed;
  }
}

std::string advice_for(ErrorKind kind, std::string_view request_id, bool admin,
                       std::string_view target) {
  const bool device = target.starts_with("/v1/devices/");
  switch (kind) {
    case ErrorKind::invalid_request:
      if (target == "/v1/reload")
        return "nothing was changed; correct what is named, then again: holdfast reload";
      return "correct what is named, and see the command's --help";
    case ErrorKind::not_permitted:
      if (admin)
        return "this socket is for administrators: join the group holdfast-admin, or use sudo";
      return "ask an administrator to look at it: holdfast policy suggest " +
             std::string(request_id);
    case ErrorKind::not_found:
      if (target.starts_with("/v1/requests/"))
        return "see what was asked: holdfast audit tail --json";
      return device ? "see what there is: holdfast health" : "see what there is: holdfast key list";
    case ErrorKind::method_not_allowed:
      return "command line and daemon differ in version: compare with `holdfast version`";
    case ErrorKind::conflict:
      return device ? "look at its state first: holdfast health"
                    : "look at its state first: holdfast key list";
    case ErrorKind::too_large:
      return "send less: a request has at most 16 KiB of header and 64 KiB of body";
    case ErrorKind::unsupported:
      return "choose another type or algorithm, or another device (see `holdfast health`)";
    case ErrorKind::timeout:
    case ErrorKind::limit_exceeded:
    case ErrorKind::overloaded:
      return "try again later";
    case ErrorKind::device_unavailable:
      return "try again; if it stays so, see `holdfast health` and the daemon's log";
    case ErrorKind::key_lost:
      return "the device was cleared or replaced, or files are damaged: see docs/recovery.md";
    case ErrorKind::audit_unavailable:
      return "nothing is signed until the audit log can be written: see `holdfast health`";
    case ErrorKind::clock_untrusted:
      return "nothing is signed until the machine's clock is right; if it is, an administrator "
             "says "
             "so: holdfast clock accept";
    case ErrorKind::internal:
      return "this is a defect: report it with the request id and the daemon's log";
  }
  return {};
}

}  // namespace

Failure Failure::from_problem(unsigned status, std::string_view body, std::string_view request_id,
                              bool admin, std::string_view target) {
  std::string detail, code, id(request_id);
  boost::system::error_code bad;
  const boost::json::value value = boost::json::parse(body, bad);
  if (!bad && value.is_object()) {
    const auto take = [&](std::string_view name, std::string& out) {
      const auto* field = value.as_object().if_contains(name);
      if (field && field->is_string()) out = std::string(field->as_string());
    };
    take("detail", detail);
    take("code", code);
    take("request_id", id);
  }
  const auto kind = kind_from(code);
  if (!kind) {
    return Failure(Exit::failed, "the daemon answered with HTTP status " + std::to_string(status),
                   "is this socket really holdfast's? See `holdfast health`");
  }
  if (detail.empty()) detail = code;
  Failure failure(exit_for(*kind), code + ": " + detail, advice_for(*kind, id, admin, target));
  if (!id.empty()) failure.message_ += " (request " + id + ")";
  failure.problem_ = std::string(body);
  return failure;
}

Failure Failure::from_error(const Error& error) {
  // Where a system call failed, only the place says which file it was about.
  return Failure(exit_for(error.kind()), error.native_code() != 0 ? error.what() : error.detail());
}

}  // namespace holdfast::cli
