#include "sdk/cli/scrapes.h"

#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/string.hpp>

#include <algorithm>

#include "sdk/cli/failure.h"
#include "sdk/cli/http_server.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

bool is_one_of_ours(const std::string& host, const std::vector<std::string>& names) {
  boost::system::error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  const auto same = [&host](std::string_view name) { return boost::beast::iequals(name, host); };
  return !not_an_address || same("localhost") || std::ranges::any_of(names, same);
}

HttpResponse answer(const HttpRequest& request, const std::vector<std::string>& names,
                    const std::function<std::string()>& read) {
  if (!is_one_of_ours(host_of(request), names))
    return http_refusal(http::status::misdirected_request,
                        "the Host header is neither an address nor a name of this server: --host");
  if (request.target() != "/metrics")
    return http_refusal(http::status::not_found, "there is /metrics and nothing else");
  if (request.method() != http::verb::get) {
    HttpResponse response = http_refusal(http::status::method_not_allowed, "/metrics takes GET");
    response.set(http::field::allow, "GET");
    return response;
  }
  try {
    return http_reply(http::status::ok, read(), "text/plain; version=0.0.4; charset=utf-8");
  } catch (const Failure& failure) {
    return http_refusal(http::status::service_unavailable, printable(failure.message()));
  }
}

}  // namespace

void serve_scrapes(const asio::ip::tcp::endpoint& address, const std::vector<std::string>& names,
                   const std::function<std::string()>& read,
                   const std::function<void(const std::string& address)>& ready) {
  asio::io_context loop(1);
  const HttpServer server(
      loop, address,
      [&](const Asked& asked) -> asio::awaitable<HttpResponse> {
        co_return answer(asked.request, names, read);
      },
      [](const auto&, const auto&) { return true; });
  ready(server.address());
  loop.run();
}

}  // namespace holdfast::cli
