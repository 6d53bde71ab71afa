// The part of EC2's instance metadata service that SDKs ask for credentials, in its second version alone: a session
// token first, by PUT, and no credentials without one.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
#pragma once

#include <deque>

#include "daemon/base/clock.h"
#include "sdk/aws/role.h"

namespace holdfast::aws {

class MetadataEndpoint {
 public:
  // An instance has one role. Both outlive this.
  MetadataEndpoint(Role& role, const Clock& clock) : role_(role), clock_(clock) {}

  // Nothing is given out before guard.h has passed the request.
  boost::asio::awaitable<cli::HttpResponse> answer(const cli::Asked& asked);

 private:
  struct Session {
    Secret token;
    SteadyTime ends;
    std::chrono::seconds lifetime;
  };
  cli::HttpResponse begin(const cli::HttpRequest& request);
  const Session* find(const cli::HttpRequest& request);

  Role& role_;
  const Clock& clock_;
  std::deque<Session> sessions_;  // oldest first; bounded, the oldest gives way
};

}  // namespace holdfast::aws
