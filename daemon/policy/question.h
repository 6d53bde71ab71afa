// A question in the words of people, for `holdfast policy check` and `holdfast policy test`.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/caller.h"
#include "daemon/base/clock.h"
#include "daemon/base/facts.h"

namespace holdfast::policy {

// What a caller is said to be with: "uid=1001,unit=orders.service".
inline constexpr std::string_view kCallerWords =
    "user uid group gid unit user_unit exe exe_sha256 label container pod security_label nested";

// Of these `group` may stand more than once. A user or uid brings its groups along from the user database, as the kernel
// would show them. Throws Error{invalid_request} that says what is wrong.
Caller caller_from(std::string_view text);

struct Pair {
  std::string name;
  std::string value;
};
Caller caller_from(const std::vector<Pair>& attributes);

struct Asked {
  Facts facts;
  std::chrono::seconds skew{0};
  std::optional<std::chrono::seconds> ttl{};
  std::optional<SystemTime> at{};
};

// "path=/invoices/1", each "name=value"; besides facts "skew=10m", "ttl=5m"
// and "at=2026-01-05T09:00:00Z". Throws
// Error{invalid_request} for a name that no format has.
Asked asked_from(const std::vector<std::string>& arguments);
Asked asked_from(std::vector<Pair> pairs);

}  // namespace holdfast::policy
