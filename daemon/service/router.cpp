#include "daemon/service/router.h"

namespace holdfast {

boost::asio::awaitable<socket::Response> answer_method_not_allowed(MethodNotAllowed error,
                                                                   std::string request_id) {
  socket::Response response = socket::problem(error, request_id);
  response.headers.emplace_back("Allow", error.allow());
  co_return response;
}

socket::Response json_response(const json::value& document, unsigned status) {
  socket::Response response;
  response.status = status;
  response.body = json::serialize(document);
  return response;
}

bool match_path(std::string_view pattern, std::string_view path,
                std::vector<std::string>& parameters) {
  parameters.clear();
  while (!pattern.empty() && !path.empty()) {
    // Both begin with the '/' of their next segment.
    const auto pattern_end = std::min(pattern.find('/', 1), pattern.size());
    const auto path_end = std::min(path.find('/', 1), path.size());
    const std::string_view wanted = pattern.substr(0, pattern_end);
    const std::string_view given = path.substr(0, path_end);
    if (wanted == "/{}" && given.size() > 1)
      parameters.emplace_back(given.substr(1));
    else if (wanted != given)
      return false;
    pattern.remove_prefix(pattern_end);
    path.remove_prefix(path_end);
  }
  return pattern.empty() && path.empty();
}

}  // namespace holdfast
