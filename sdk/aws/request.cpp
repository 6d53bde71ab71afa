#include "sdk/aws/request.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cctype>
#include <cstdlib>

#include "daemon/base/openssl.h"
#include "sdk/aws/endpoint.h"
#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

using cli::Exit;
using cli::Failure;
using namespace std::chrono_literals;

constexpr std::array kWays{Way::roles_anywhere, Way::session_token, Way::assume_role,
                           Way::web_identity};

// One option, and the ways that need it or can do with it.
struct Option {
  const char* name;
  std::string Request::*value;
  std::array<char, 4> use;  // in the order of kWays; 'r' required, 'o' optional, '-' refused
};
constexpr Option kOptions[] = {
    {"--role-arn", &Request::role_arn, {'r', '-', 'r', 'r'}},
    {"--profile-arn", &Request::profile_arn, {'r', '-', '-', '-'}},
    {"--trust-anchor-arn", &Request::trust_anchor_arn, {'r', '-', '-', '-'}},
    {"--session-name", &Request::session_name, {'o', '-', 'o', 'o'}},
    {"--audience", &Request::audience, {'-', '-', '-', 'o'}},
};

[[noreturn]] void misused(const std::string& message, const std::string& advice = {}) {
  throw Failure(Exit::usage, message, advice);
}

void check_options(const Request& request) {
  const auto index =
      static_cast<std::size_t>(std::find(kWays.begin(), kWays.end(), request.way) - kWays.begin());
  const std::string way(to_string(request.way));
  for (const Option& option : kOptions) {
    const std::string& value = request.*option.value;
    if (value.empty() && option.use[index] == 'r')
      misused(way + " needs " + option.name, "see holdfast aws credential-process --help");
    if (!value.empty() && option.use[index] == '-')
      misused(way + " has no use for " + option.name, "leave it out, or choose another --way");
    if (std::any_of(value.begin(), value.end(),
                    [](unsigned char c) { return c <= ' ' || c >= 0x7F; }))
      misused(std::string(option.name) + " holds a space or a character that is not ASCII");
    if (std::string_view(option.name).ends_with("-arn") && !value.empty() &&
        !value.starts_with("arn:"))
      misused(std::string(option.name) + " is no ARN: " + value,
              "write arn:aws:…, as the console shows it");
  }
}

// arn:PARTITION:rolesanywhere:REGION:ACCOUNT:trust-anchor/ID
std::string region_of(std::string_view arn) {
  for (int i = 0; i < 3 && !arn.empty(); ++i)
    arn.remove_prefix(std::min(arn.find(':'), arn.size() - 1) + 1);
  return std::string(arn.substr(0, arn.find(':')));
}

std::string from_environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value && *value) return value;
  return {};
}

void check_region(const std::string& region) {
  if (region.empty()) misused("no region is given", "add --region, or set AWS_REGION");
  if (region.size() > 64 || !std::all_of(region.begin(), region.end(), [](unsigned char c) {
        return std::islower(c) || std::isdigit(c) || c == '-';
      }))
    misused("--region: no region: " + region, "write it as eu-west-1");
}

}  // namespace

std::string_view to_string(Way way) {
  switch (way) {
    case Way::roles_anywhere:
      return "roles-anywhere";
    case Way::session_token:
      return "session-token";
    case Way::assume_role:
      return "assume-role";
    case Way::web_identity:
      return "web-identity";
  }
  return {};
}

Way choose_way(std::string_view name, const Request& request) {
  for (const Way way : kWays)
    if (to_string(way) == name) return way;
  if (!name.empty())
    misused("--way: there is no way " + std::string(name),
            "roles-anywhere, session-token, assume-role or web-identity");
  if (!request.profile_arn.empty() || !request.trust_anchor_arn.empty()) return Way::roles_anywhere;
  if (!request.audience.empty()) return Way::web_identity;
  if (request.role_arn.empty()) return Way::session_token;
  misused("a role alone can be had in several ways",
          "say --way assume-role (a key of the use sigv4) or --way web-identity (of the use jwt); "
          "Roles Anywhere also needs --profile-arn and --trust-anchor-arn");
}

Request resolve(Request request) {
  check_options(request);
  if (request.key.empty()) misused("no key is given", "add --key; see holdfast key list --mine");
  const bool anywhere = request.way == Way::roles_anywhere;
  if (request.region.empty() && anywhere) request.region = region_of(request.trust_anchor_arn);
  if (request.region.empty())
    request.region = from_environment({"AWS_REGION", "AWS_DEFAULT_REGION"});
  check_region(request.region);

  // A Roles Anywhere profile takes a session name only where it is told to: none unless given.
  if (request.session_name.empty() && !anywhere && request.way != Way::session_token)
    request.session_name = "holdfast";
  if (request.audience.empty() && request.way == Way::web_identity)
    request.audience = "sts.amazonaws.com";

  const std::chrono::seconds longest = request.way == Way::session_token ? 36h : 12h;
  if (request.duration == 0s) request.duration = 1h;
  if (request.duration < 15min || request.duration > longest)
    misused("--duration: 15m to " + std::to_string(longest / 1h) + "h, for " +
            std::string(to_string(request.way)));
  if (request.timeout < 1s || request.timeout > 10min) misused("--timeout: 1s to 10m");

  if (!request.endpoint.empty())
    request.endpoint = check_endpoint(request.endpoint);
  else if (!anywhere)  // there the daemon knows it
    request.endpoint = "https://sts." + request.region +
                       (request.region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
  return request;
}

std::string fingerprint(const Request& request) {
  const boost::json::array parts{
      to_string(request.way), request.key,         request.region,
      request.role_arn,       request.profile_arn, request.trust_anchor_arn,
      request.session_name,   request.audience,    request.duration.count(),
      request.endpoint,       request.socket};
  return sha256_hex(boost::json::serialize(parts));
}

}  // namespace holdfast::aws
