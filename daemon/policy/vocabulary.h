// The facts a grant may name: a misspelt one would otherwise never match, or, worse, never bind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/facts.h"
#include "daemon/policy/pattern.h"

namespace holdfast::policy {

enum class FactForm : std::uint8_t {
  patterns,    // a pattern or a list of them; every value has to match one
  number,      // an integer that the fact must not exceed, or a range
  permission,  // true: the fact may be there
};

// Whose requests have it: one of these, or several.
using Protocols = std::uint8_t;
inline constexpr Protocols kSigv4 = 1, kSession = 2, kToken = 4, kDigest = 8;

struct FactKind {
  FactForm form = FactForm::patterns;
  PatternKind pattern = PatternKind::plain;
  // Refused unless the grant names it. (action = "unknown" is closed too, by its value.)
  bool closed = false;
  Protocols protocols = kSigv4;
  // Not every request of its protocols has it, and one that doesn't surely has none.
  bool optional = false;
};

// nullopt for a name that no format has. `name` as facts spell it; "query.*", "header.*" and
// "claim.*" stand for all of their kind.
std::optional<FactKind> fact_kind(std::string_view name);

// Is it certain that the request has no such fact, and not merely unknown? The bucket of S3 can be
// unknown; what every request of a protocol has is missing only in a question that leaves it out.
bool is_surely_absent(std::string_view name, const Facts& facts, bool has_ttl);

// A name as people write it, as facts spell it: headers in lower case (RFC 9110 §5.1).
std::string fact_name(std::string_view text);

// The names fact_kind() knows, for messages.
std::string_view fact_names();

// What `action` is where it can't be known. Only these very letters in a grant match it.
inline constexpr std::string_view kUnknownAction = "unknown";

}  // namespace holdfast::policy
