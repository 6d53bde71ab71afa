#include <boost/beast/http/status.hpp>

#include "daemon/base/log.h"
#include "daemon/socket/http.h"

namespace holdfast::socket {
namespace {

struct Meaning {
  unsigned status;
  std::string_view title;
  bool passes;  // by itself, so it is worth asking again
};

Meaning meaning_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid_request:
      return {400, "The request is malformed", false};
    case ErrorKind::not_permitted:
      return {403, "No grant allows this", false};
    case ErrorKind::not_found:
      return {404, "There is no such thing here", false};
    case ErrorKind::method_not_allowed:
      return {405, "The path does not take this method", false};
    case ErrorKind::timeout:
      return {408, "The request did not arrive whole in time", false};
    case ErrorKind::conflict:
      return {409, "The state does not allow this", false};
    case ErrorKind::too_large:
      return {413, "The request is too large", false};
    case ErrorKind::unsupported:
      return {422, "The device can't do this", false};
    case ErrorKind::limit_exceeded:
      return {429, "The grant's limit is reached", true};
    case ErrorKind::overloaded:
      return {503, "The daemon is busy", true};
    case ErrorKind::device_unavailable:
      return {503, "The device does not answer", true};
    case ErrorKind::key_lost:
      return {503, "The key no longer loads", false};
    case ErrorKind::audit_unavailable:
      return {503, "The record can't be written", true};
    case ErrorKind::clock_untrusted:
      return {503, "The clock can't be trusted", false};
    case ErrorKind::internal:
      return {500, "A defect of the daemon", false};
  }
  return {500, "A defect of the daemon", false};
}

// RFC 9112 §5.5; a CR or LF would begin another header.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  for (const std::string_view part : {name, value})
    for (const char c : part)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        throw Error(ErrorKind::internal, "a reply's header has a control character", "serialize");
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

unsigned http_status(ErrorKind kind) noexcept {
  return meaning_of(kind).status;
}

std::string serialize(const Response& response, bool keep_alive, bool head) {
  std::string out;
  out.reserve(320 + (head ? 0 : response.body.size()));
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status)));
  out.append("\r\n");
  if (response.status != 204) {  // RFC 9110 §8.6: 204 has neither
    if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
    append_field(out, "Content-Length", std::to_string(response.body.size()));
  }
  out.append("Cache-Control: no-store\r\n");
  if (!keep_alive) out.append("Connection: close\r\n");
  for (const auto& [name, value] : response.headers) append_field(out, name, value);
  out.append("\r\n");
  if (!head) out.append(response.body);
  return out;
}

Response problem(const Error& error, std::string_view request_id,
                 std::optional<std::chrono::seconds> retry_after,
                 std::optional<std::uint64_t> audit_seq) {
  const Meaning meaning = meaning_of(error.kind());
  const std::string_view code = to_string(error.kind());
  Response response;
  response.status = meaning.status;
  if (error.kind() == ErrorKind::too_large && error.native_code() == kHeaderTooLarge)
    response.status = kHeaderTooLarge;
  response.content_type = "application/problem+json";
  const std::string detail = is_utf8(error.detail()) ? error.detail() : log::escape(error.detail());
  json::object body{{"type", "urn:holdfast:error:" + std::string(code)},
                    {"title", meaning.title},
                    {"status", response.status},
                    {"detail", detail},
                    {"code", code},
                    {"request_id", request_id}};
  if (audit_seq) body["audit_seq"] = *audit_seq;
  response.body = json::serialize(body);
  if (meaning.passes && !retry_after) retry_after = std::chrono::seconds(1);
  if (retry_after)
    response.headers.emplace_back("Retry-After", std::to_string(retry_after->count()));
  return response;
}

}  // namespace holdfast::socket
