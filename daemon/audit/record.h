// One line of the log: what was asked, decided and signed. A typed list of fields, so that nothing
// else can get in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/caller.h"
#include "daemon/base/clock.h"
#include "daemon/base/facts.h"

namespace holdfast::audit {

// Stays beside the leaf, which holds only its salted hash, and can be pruned without breaking a
// proof.
struct Details {
  Facts facts;
  std::chrono::seconds skew{0};             // how far the time the caller gave was from ours
  std::optional<std::chrono::seconds> ttl;  // of a token
  std::string jti;                          // of a token that was minted
  Caller caller;                            // all but its groups
  std::string request_id;
  std::string grant;   // that allowed it
  std::string reason;  // why it was denied or failed
};

struct Record {
  SystemTime time;
  bool allowed = false;
  std::string code;       // "ok", or the protocol's error code
  std::string operation;  // "sign.sigv4", "sign.digest", "admin.key.create", "start", "reload", …
  std::string key;
  std::uint32_t version = 0;  // 0: none
  std::uint32_t uid = 0;
  std::string policy_digest;
  std::string signed_digest;     // hex SHA-256 of what was signed; empty: nothing was
  std::string signature_digest;  // hex SHA-256 of the signature
  std::uint64_t count = 0;  // of refusals that this one record stands for; 0: it is one request's
  Details details;
};

}  // namespace holdfast::audit
