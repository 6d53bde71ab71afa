// Which handler answers a method and a path.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/error.h"
#include "daemon/base/json.h"
#include "daemon/socket/http.h"

namespace holdfast {

// Thrown for a path that is known with other methods; `allow` is the Allow header's value.
class MethodNotAllowed : public Error {
 public:
  explicit MethodNotAllowed(std::string allow)
      : Error(ErrorKind::method_not_allowed, "this path takes " + allow),
        allow_(std::move(allow)) {}
  const std::string& allow() const { return allow_; }

 private:
  std::string allow_;
};

// The problem document with its Allow header (RFC 9110 §15.5.6).
boost::asio::awaitable<socket::Response> answer_method_not_allowed(MethodNotAllowed error,
                                                                   std::string request_id);

socket::Response json_response(const json::value& document, unsigned status = 200);

// `pattern` is a path whose "{}" segments match any one segment, such as "/v1/keys/{}".
template <class Handler>
struct Route {
  std::string_view method;
  std::string_view pattern;
  Handler handler;
};

// The segments that matched "{}", in order, or nothing where the path is another.
bool match_path(std::string_view pattern, std::string_view path,
                std::vector<std::string>& parameters);

// Throws Error{not_found} or MethodNotAllowed.
template <class Handler>
const Route<Handler>& find_route(std::span<const Route<Handler>> routes, std::string_view method,
                                 std::string_view path, std::vector<std::string>& parameters) {
  std::string allow;
  for (const Route<Handler>& route : routes) {
    if (!match_path(route.pattern, path, parameters)) continue;
    if (route.method == method) return route;
    allow.append(allow.empty() ? "" : ", ").append(route.method);
  }
  if (!allow.empty()) throw MethodNotAllowed(std::move(allow));
  throw Error(ErrorKind::not_found, "there is no such path; sdk/API.md lists them all");
}

}  // namespace holdfast
