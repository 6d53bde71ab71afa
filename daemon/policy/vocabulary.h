// The facts a grant may name: a misspelt one would otherwise never match, or, worse, never bind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/policy/pattern.h"

namespace holdfast::policy {

enum class FactForm : std::uint8_t {
  patterns,    // a pattern or a list of them; every value has to match one
  maximum,     // an integer that the fact must not exceed
  permission,  // true: the fact may be there
};

struct FactKind {
  FactForm form = FactForm::patterns;
  PatternKind pattern = PatternKind::plain;
  // Refused unless the grant names it. (action = "unknown" is closed too, by its value.)
  bool closed = false;
};

// nullopt for a name that no format has. `name` as facts spell it; "query.*", "header.*" and
// "claim.*" stand for all of their kind.
std::optional<FactKind> fact_kind(std::string_view name);

// A name as people write it, as facts spell it: headers in lower case (RFC 9110 §5.1).
std::string fact_name(std::string_view text);

// The names fact_kind() knows, for messages.
std::string_view fact_names();

// What `action` is where it can't be known. Only these very letters in a grant match it.
inline constexpr std::string_view kUnknownAction = "unknown";

}  // namespace holdfast::policy
