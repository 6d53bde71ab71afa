// HTTP/1.1 as strict as sdk/API.md says: framing first, by ourselves, then Beast's parser.
#pragma once

#include <chrono>
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

// Past the CRLFCRLF that ends the header block, or 0 while it has not arrived. Looks at each byte
// once: `checked`, 0 at first, remembers how far. Throws Error{invalid_request, too_large} at the
// first byte that can't stand in a header, so that nobody waits for the rest of something that is
// none.
std::size_t find_header_end(std::string_view received, std::size_t& checked);

// Parses one header block, up to and including CRLFCRLF; sets `body_size`. Throws
// Error{invalid_request, too_large}.
Request parse_header(std::string_view block, std::size_t& body_size);

// Status line, headers and body, with Content-Length, Connection and what the response names. The
// answer to HEAD has no body (RFC 9110 §9.3.2).
std::string serialize(const Response& response, bool keep_alive, bool head = false);

// native_code of an Error{too_large} that is about the header, not the body.
inline constexpr int kHeaderTooLarge = 431;

// application/problem+json (RFC 9457) for an error: the one switch from kind to HTTP status.
// `retry_after` overrides the one second that errors which pass by themselves ask for.
// `audit_seq` is of the record that has it.
Response problem(const Error& error, std::string_view request_id,
                 std::optional<std::chrono::seconds> retry_after = {},
                 std::optional<std::uint64_t> audit_seq = {});
unsigned http_status(ErrorKind kind) noexcept;

}  // namespace holdfast::socket
