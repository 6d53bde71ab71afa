// One HTTPS exchange by libcurl: certificates are always verified, no redirect is followed, and
// what it held is zeroed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/secret.h"

namespace holdfast::aws {

inline constexpr std::size_t kMaxHttpReply = 1024 * 1024;

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string url;
  Headers headers;
  SecretText body;
};

struct HttpReply {
  long status = 0;
  std::optional<SystemTime> date;  // of the header Date
  std::string error_type;          // of X-Amzn-Errortype
  SecretText body;
  std::string_view text() const { return {body.data(), body.size()}; }
};

// No whole reply came: no connection, a time-out, half a body. `again`: another try may do better.
class NoReply : public std::exception {
 public:
  NoReply(std::string message, std::string advice, bool again)
      : message(std::move(message)), advice(std::move(advice)), again(again) {}
  const char* what() const noexcept override { return message.c_str(); }
  std::string message, advice;
  bool again;
};

// Throws NoReply.
using Send = std::function<HttpReply(const HttpRequest&, std::chrono::milliseconds patience)>;

// `ca_file`: PEM of those who may vouch for the server; empty: the system's.
Send make_send(const std::string& ca_file);

// RFC 9110 §5.6.7, IMF-fixdate.
std::optional<SystemTime> parse_http_date(const std::string& text);

}  // namespace holdfast::aws
