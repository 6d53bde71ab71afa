// A JSON list of ["Name","value"].
#pragma once

#include <string_view>
#include <vector>

#include "daemon/base/json.h"

namespace holdfast::format {

// Views into the request.
struct Pair {
  std::string_view name, value;
};

struct PairBounds {
  std::size_t count, name, value;  // the lengths in bytes
};

// Empty where the field is left out. Throws through fields.fail(field, …).
std::vector<Pair> read_pairs(Fields& fields, std::string_view field, PairBounds bounds);

}  // namespace holdfast::format
