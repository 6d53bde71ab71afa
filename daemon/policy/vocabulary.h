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
  // Refused unless the grant names it. (action = "unknown", mode = "post" and a region with a wildcard are closed
  // too, by their values.)
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

// Why no request's fact of that name could ever match the pattern, or empty. It would leave a grant
// that denies without effect, and nobody would notice.
std::string_view fault_in_value(std::string_view name, std::string_view pattern);

// A name as people write it, as facts spell it: headers (RFC 9110 §5.1) and the fields of S3's forms
// in lower case.
std::string fact_name(std::string_view text);

// The names fact_kind() knows, for messages.
std::string_view fact_names();

// What `action` is where it can't be known. Only these very letters in a grant match it.
inline constexpr std::string_view kUnknownAction = "unknown";

// Of SigV4A's region set: "eu-*" is signed as it stands, and AWS takes it for each region that it fits.
inline bool is_region_wildcard(std::string_view value) {
  return value.find('*') != std::string_view::npos;
}

// What `mode` is where whoever has the signed policy document may upload (S3 POST).
inline constexpr std::string_view kPostMode = "post";

// The rest is a field's name; its value is left to whoever uploads, but for its beginning.
inline constexpr std::string_view kStartsWith = "starts_with.";

}  // namespace holdfast::policy
