// How often AWS is asked, and with which time: tries again what passes, and once more with the
// service's clock where ours is what it refuses.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "sdk/aws/credentials.h"
#include "sdk/aws/http.h"

namespace holdfast::aws {

struct Exchange {
  // The request, with the time to sign it with (nothing: now). Throws cli::Failure.
  std::function<HttpRequest(std::optional<SystemTime>)> make;
  // Throws NoReply.
  std::function<Credentials(SecretText& body, SystemTime now)> parse;
  std::string service;  // for people
  std::string advice;   // where it refuses
};

// Three tries at most, by the deadline. Throws cli::Failure: refused for 401 and 403, failed
// for what stays wrong, later for what passes.
Credentials run(const Exchange& exchange, const Send& send, SteadyTime deadline,
                const Clock& clock);

}  // namespace holdfast::aws
