// What is allowed in a policy and seldom meant, for `holdfast policy lint`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {

struct Grant;

struct Warning {
  std::string code;   // "unreachable", "denied", "wide-key", …: lint_codes()
  std::string grant;  // its name; empty where it is about a key
  std::string where;  // file:line, or empty
  std::string text;
};

// `keys`: the names of the daemon's keys, where they are known. Throws Error{invalid_request} for a
// policy that does not load.
std::vector<Warning> lint(const std::vector<Source>& sources,
                          const std::optional<std::vector<std::string>>& keys, SystemTime now);

const std::vector<std::string>& lint_codes();

// Does `wide` take effect wherever `narrow`, which allows, would? Says no where it can't tell.
bool covers(const Grant& wide, const Grant& narrow);

}  // namespace holdfast::policy
