// HTTP/1.1 as strict as sdk/API.md says: framing first, by ourselves, then Beast's parser.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/error.h"
#include "daemon/base/json.h"
#include "daemon/base/secret.h"

namespace holdfast::socket {

inline constexpr std::size_t kMaxHeader = 16 * 1024;
inline constexpr std::size_t kMaxBody = 64 * 1024;

// A request's bytes may hold a secret (import), so the buffer is zeroed when it is released.
using Buffer = std::vector<char, ZeroingAllocator<char>>;

struct Request {
  std::string method;
  std::string path;   // before '?', as sent, always starting with '/'
  std::string query;  // after '?', as sent
  bool keep_alive = true;
  Buffer body;
  std::string_view body_text() const { return {body.data(), body.size()}; }
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

// Parses one header block, up to and including CRLFCRLF; sets `body_size`. Throws
// Error{invalid_request, too_large}.
Request parse_header(std::string_view block, std::size_t& body_size);

// Status line, headers and body, with Content-Length, Connection and what the response names.
std::string serialize(const Response& response, bool keep_alive);

// application/problem+json (RFC 9457) for an error: the one switch from kind to HTTP status.
Response problem(const Error& error, std::string_view request_id);
unsigned http_status(ErrorKind kind) noexcept;

}  // namespace holdfast::socket
