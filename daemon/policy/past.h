// A request that was judged before, as the daemon or its log tells of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/caller.h"
#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {

struct PastRequest {
  std::string id, time, operation, key, decision, code, reason, grant, policy_digest;
  Caller caller;  // its groups are those that the user database has now
  Facts facts;
  bool facts_cut = false;  // some were shortened or left out
  std::int64_t skew = 0;
  std::optional<std::int64_t> ttl;

  // Keeps references to this. As of the second in which it was judged.
  Question question() const;
};

// The object of GET /v1/requests/{request_id}, or a record of the audit log (sdk/API.md). Throws
// Error{invalid_request} where it is of neither form, or its details were pruned.
PastRequest read_past_request(const json::object& document);

}  // namespace holdfast::policy
