// What somebody wants credentials for, and by which of the four ways.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace holdfast::aws {

enum class Way {
  roles_anywhere,  // CreateSession with the key's certificate
  session_token,   // STS GetSessionToken
  assume_role,     // STS AssumeRole
  web_identity,    // STS AssumeRoleWithWebIdentity, with a token of the daemon's
};
std::string_view to_string(Way way);  // "roles-anywhere", "session-token", …

// Empty is "not given"; resolve() fills in what has a default.
struct Request {
  Way way = Way::session_token;
  std::string key;     // the daemon's
  std::string region;  // whose endpoint is asked, and which is signed for
  std::string role_arn;
  std::string profile_arn;       // roles_anywhere
  std::string trust_anchor_arn;  // roles_anywhere
  std::string session_name;      // all but session_token
  std::string audience;          // web_identity
  std::chrono::seconds duration{0};
  std::string endpoint;  // "https://host[:port]"; http on loopback alone
  std::string ca_file;   // PEM of those who may vouch for the endpoint; empty: the system's
  std::string socket;    // the daemon's application socket: part of the cache's name
  std::chrono::seconds timeout{60};  // over everything
};

// The way that the options say, where `name` ("" or one of to_string's) does not. Throws
// cli::Failure{usage}.
Way choose_way(std::string_view name, const Request& request);

// Checks that what the way needs is there and nothing else, and fills in defaults: region from the
// trust anchor or $AWS_REGION, session name, audience, duration, endpoint. Throws
// cli::Failure{usage}.
Request resolve(Request request);

// SHA-256, in hex, over all that makes the credentials what they are.
std::string fingerprint(const Request& request);

}  // namespace holdfast::aws
