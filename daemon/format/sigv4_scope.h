// What everything signed with a SigV4 signing key has: its scope, and what a request says of it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"
#include "daemon/base/json.h"

namespace holdfast::format {

inline constexpr std::string_view kSigv4Algorithm = "AWS4-HMAC-SHA256";
inline constexpr std::int64_t kMaxSigv4Expiry = 604800;  // a week, AWS's own limit

// `derivation` is the chain for Backend::mac that ends in the signing key of `scope`; the signature
// is HMAC(signing key, string_to_sign), in hex.
struct Sigv4ToSign {
  std::string
      scope;  // 20260101/eu-west-1/s3/aws4_request; of a set of regions 20260101/s3/aws4_request
  std::vector<Bytes> derivation;
  std::string credential;  // access key id / scope
  std::string string_to_sign;
};

// All but string_to_sign. `time` as X-Amz-Date has it; `region` is empty where a set of them is signed, for which no
// key is derived.
Sigv4ToSign sigv4_scope(std::string_view time, std::string_view region, std::string_view service,
                        const std::string& access_key_id);

inline constexpr std::size_t kMaxScopePart = 64;

bool is_scope_character(char c) noexcept;  // of a region or service: a-z, 0-9 and -

// A region or service: 1 to 64 such characters.
std::string read_scope_part(Fields& fields, std::string_view name);

struct SigningTime {
  SystemTime time;            // whole seconds
  std::chrono::seconds skew;  // |time - now|
};

// `time`, now where it is left out.
SigningTime read_signing_time(Fields& fields, SystemTime now);

std::string read_session_token(Fields& fields);  // empty where it is left out

// A header's value as facts show it: of a secret one (sigv4_headers.h) its digest. `name` in lower
// case.
std::string shown_value(std::string_view name, const std::string& value);

}  // namespace holdfast::format
