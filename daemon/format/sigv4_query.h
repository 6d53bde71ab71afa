// The query: read once into decoded names and values, from which facts and canonical query are
// made.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/json.h"

namespace holdfast::format {

struct Parameter {
  std::string name;   // decoded
  std::string value;  // decoded; empty for "?lifecycle"
};

// `wire` was checked by parse_url. Refuses an empty name ("a=1&&b=2") and every spelling of the
// names that make a query a presigned URL, in whatever mode: a header signature over them would be
// one, good for a week. Throws through fields.fail(field, …).
std::vector<Parameter> parse_query(std::string_view wire, const Fields& fields,
                                   std::string_view field);

// Encoded, sorted by encoded name and then value, joined. Two spellings of a query give one text.
std::string canonical_query(const std::vector<Parameter>& parameters);

}  // namespace holdfast::format
