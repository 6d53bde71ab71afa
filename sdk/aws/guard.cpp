#include "sdk/aws/guard.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/field.hpp>

#include "daemon/base/error.h"
#include "sdk/aws/peer_user.h"

namespace holdfast::aws {
namespace {

namespace beast = boost::beast;
using boost::asio::ip::tcp;

// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html refuses
// X-Forwarded-For; the others are the same thing under other names.
bool is_added_on_the_way(std::string_view name) {
  for (const char* added : {"Origin", "Forwarded", "Via", "X-Real-IP"})
    if (beast::iequals(name, added)) return true;
  constexpr std::string_view kPrefix = "X-Forwarded-";
  return name.size() > kPrefix.size() && beast::iequals(name.substr(0, kPrefix.size()), kPrefix);
}

bool is_this_endpoint(const cli::Asked& asked) {
  const std::string host = cli::host_of(asked.request);
  return host == asked.to.address().to_string() || beast::iequals(host, "localhost");
}

}  // namespace

bool is_ours(const tcp::endpoint& from, const tcp::endpoint& to) try {
  return from.address().is_loopback() && user_of(from, to) == ::geteuid();
} catch (const Error&) {
  return false;  // who can't be known is nobody
}

std::string refusal(const cli::Asked& asked) {
  if (!is_this_endpoint(asked))
    return "the Host header is neither this endpoint's address nor localhost";
  for (const auto& field : asked.request)
    if (is_added_on_the_way(field.name_string()))
      return "the request came through another program: " + std::string(field.name_string());
  return {};
}

bool is_same_secret(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace holdfast::aws
