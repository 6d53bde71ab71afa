#include "sdk/aws/metadata_endpoint.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/openssl.h"
#include "sdk/aws/guard.h"

namespace holdfast::aws {
namespace {

namespace http = boost::beast::http;

constexpr std::string_view kTtl = "X-aws-ec2-metadata-token-ttl-seconds";
constexpr std::string_view kToken = "X-aws-ec2-metadata-token";
constexpr std::string_view kCredentials = "/latest/meta-data/iam/security-credentials";
constexpr int kLongestTtl = 21600;
constexpr std::size_t kMostSessions = 256;

std::optional<int> ttl_of(const cli::HttpRequest& request) {
  if (request.count(kTtl) != 1) return std::nullopt;
  const std::string_view text = request[kTtl];
  int seconds = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return seconds >= 1 && seconds <= kLongestTtl ? std::optional(seconds) : std::nullopt;
}

}  // namespace

boost::asio::awaitable<cli::HttpResponse> MetadataEndpoint::answer(const cli::Asked& asked) {
  const cli::HttpRequest& request = asked.request;
  if (const std::string why = refusal(asked); !why.empty())
    co_return cli::http_refusal(http::status::forbidden, why);
  if (request.method() == http::verb::put && request.target() == "/latest/api/token")
    co_return begin(request);
  const Session* session = find(request);
  if (session == nullptr)
    co_return cli::http_refusal(http::status::unauthorized,
                                "X-aws-ec2-metadata-token is missing, unknown or has ended");
  if (request.method() != http::verb::get)
    co_return cli::http_refusal(http::status::method_not_allowed, "metadata takes GET");

  cli::HttpResponse response = cli::http_refusal(http::status::not_found, "there is no such data");
  const std::string lifetime = std::to_string(session->lifetime.count());
  std::string_view target = request.target();
  if (target == kCredentials || target == std::string(kCredentials) + "/") {
    response = cli::http_reply(http::status::ok, role_.name(), "text/plain");
  } else if (target.ends_with('/') ? target == std::string(kCredentials) + "/" + role_.name() + "/"
                                   : target == std::string(kCredentials) + "/" + role_.name()) {
    response = co_await role_.answer();
  }
  response.set(kTtl, lifetime);
  co_return response;
}

cli::HttpResponse MetadataEndpoint::begin(const cli::HttpRequest& request) {
  const auto ttl = ttl_of(request);
  if (!ttl)
    return cli::http_refusal(http::status::bad_request,
                             std::string(kTtl) + " has to be 1 to 21600");
  const std::string token = to_base64url(random_bytes(32));
  const SteadyTime now = clock_.steady();
  std::erase_if(sessions_, [&](const Session& one) { return one.ends <= now; });
  if (sessions_.size() == kMostSessions) sessions_.pop_front();
  const std::chrono::seconds lifetime(*ttl);
  sessions_.push_back({Secret(as_bytes(token)), now + lifetime, lifetime});
  cli::HttpResponse response = cli::http_reply(http::status::ok, token, "text/plain");
  response.set(kTtl, std::to_string(*ttl));
  return response;
}

const MetadataEndpoint::Session* MetadataEndpoint::find(const cli::HttpRequest& request) {
  if (request.count(kToken) != 1) return nullptr;
  const std::string_view given = request[kToken];
  const auto at = std::ranges::find_if(sessions_, [&](const Session& one) {
    return is_same_secret(as_text(one.token.view()), given);
  });
  return at != sessions_.end() && at->ends > clock_.steady() ? &*at : nullptr;
}

}  // namespace holdfast::aws
