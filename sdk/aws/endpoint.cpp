#include "sdk/aws/endpoint.h"

#include <boost/url.hpp>

#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

namespace urls = boost::urls;

[[noreturn]] void misused(std::string_view url, const char* complaint) {
  throw cli::Failure(cli::Exit::usage, "--endpoint " + std::string(url) + ": " + complaint,
                     "write https://host or https://host:port");
}

bool is_loopback(const urls::url_view& url) {
  switch (url.host_type()) {
    case urls::host_type::ipv4:
      return url.host_ipv4_address().is_loopback();
    case urls::host_type::ipv6:
      return url.host_ipv6_address().is_loopback();
    case urls::host_type::name:
      return url.host_name() == "localhost";
    default:
      return false;
  }
}

}  // namespace

bool is_loopback(std::string_view url) {
  const auto parsed = urls::parse_uri(url);
  return parsed && is_loopback(*parsed);
}

std::string check_endpoint(std::string_view url) {
  const auto parsed = urls::parse_uri(url);
  if (!parsed || parsed->encoded_host().empty()) misused(url, "no URL");
  if (parsed->has_userinfo()) misused(url, "user information is not sent");
  if (parsed->has_query() || parsed->has_fragment() ||
      (!parsed->encoded_path().empty() && parsed->encoded_path() != "/"))
    misused(url, "a path, query or fragment has no place here");
  const bool plain = parsed->scheme_id() == urls::scheme::http;
  if (!plain && parsed->scheme_id() != urls::scheme::https) misused(url, "neither https nor http");
  if (plain && !is_loopback(*parsed)) misused(url, "http only to this machine itself (127.0.0.1)");
  const auto authority = parsed->encoded_authority();
  return (plain ? "http://" : "https://") + std::string(authority.data(), authority.size());
}

}  // namespace holdfast::aws
