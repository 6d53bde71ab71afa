// Short-lived AWS credentials, made with a signature or a token of the daemon's: the long-lived
// secret stays in its device.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/json.h"
#include "daemon/base/secret.h"
#include "sdk/aws/request.h"

namespace holdfast::aws {

// Complete, always: whoever can't have all of it gets a Failure.
struct Credentials {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;
  SystemTime expiration;
  SystemTime obtained;  // by our clock; expiration - obtained is the lifetime
};

// Gives credentials that are good now, or throws cli::Failure, by the deadline. Not thread-safe.
class Source {
 public:
  virtual ~Source() = default;
  virtual Credentials fetch(SteadyTime deadline) = 0;
};

// One request to the daemon's application socket: the path, the body, the reply. Throws
// cli::Failure.
using AskDaemon = std::function<json::object(const std::string& target, const json::object& body)>;
// A line for people: what went otherwise than it should, though credentials come.
using Warn = std::function<void(const std::string& line)>;

// Asks AWS each time. `request` has been checked (request.h); `clock` outlives the source.
std::unique_ptr<Source> make_source(const Request& request, AskDaemon ask, const Clock& clock);

// The same behind the cache that all processes of this user share: one of them asks AWS for all
// (cache.h). Served early where a refresh fails and what there is is good for another minute.
std::unique_ptr<Source> make_cached(const Request& request, std::unique_ptr<Source> source,
                                    Warn warn, const Clock& clock);

// {"Version":1,"AccessKeyId","SecretAccessKey","SessionToken","Expiration"}, as SDKs read it from
// a credential_process. https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
SecretText to_process_json(const Credentials& credentials);

// {"Code","Type","LastUpdated","AccessKeyId","SecretAccessKey","Token","Expiration"} and, where there is one,
// "RoleArn": what both the container endpoint and the metadata service of EC2 answer.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
SecretText to_endpoint_json(const Credentials& credentials, const std::string& role_arn);

// What to_process_json() gives, with "Obtained", as the cache keeps it. Throws Error{invalid_request}.
SecretText to_cache_json(const Credentials& credentials);
Credentials from_cache_json(const SecretText& text);

}  // namespace holdfast::aws
