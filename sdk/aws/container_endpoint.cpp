#include "sdk/aws/container_endpoint.h"

#include <algorithm>

#include "sdk/aws/guard.h"

namespace holdfast::aws {
namespace {

namespace http = boost::beast::http;

bool has_token(const cli::HttpRequest& request, const Secret& token) {
  return request.count(http::field::authorization) == 1 &&
         is_same_secret(request[http::field::authorization], as_text(token.view()));
}

}  // namespace

boost::asio::awaitable<cli::HttpResponse> answer_container(const cli::Asked& asked,
                                                           const Secret& token,
                                                           const Roles& roles) {
  const cli::HttpRequest& request = asked.request;
  if (const std::string why = refusal(asked); !why.empty())
    co_return cli::http_refusal(http::status::forbidden, why);
  if (!has_token(request, token))
    co_return cli::http_refusal(
        http::status::unauthorized,
        "Authorization is not the content of the file in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (request.method() != http::verb::get)
    co_return cli::http_refusal(http::status::method_not_allowed, "a role takes GET");
  const std::string_view target = request.target();
  const auto role =
      std::ranges::find_if(roles, [&](const auto& one) { return target == "/" + one->name(); });
  if (role == roles.end())
    co_return cli::http_refusal(http::status::not_found, "there is no such role here");
  co_return co_await (*role)->answer();
}

}  // namespace holdfast::aws
