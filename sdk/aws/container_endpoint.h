// The container credentials endpoint: GET /ROLE with a bearer token that only a file of mode 0600 holds.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
#pragma once

#include <memory>
#include <vector>

#include "sdk/aws/role.h"

namespace holdfast::aws {

using Roles = std::vector<std::unique_ptr<Role>>;

// Answers one request. All that is refused looks alike but for its text; nothing is given out before guard.h has
// passed it. `token` and `roles` outlive the answer.
boost::asio::awaitable<cli::HttpResponse> answer_container(const cli::Asked& asked,
                                                           const Secret& token, const Roles& roles);

}  // namespace holdfast::aws
