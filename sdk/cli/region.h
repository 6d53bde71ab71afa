// Where a signature is to be good, as the commands that sign for AWS are told.
#pragma once

#include <initializer_list>
#include <string>

#include "daemon/base/json.h"

namespace holdfast::cli {

// Without either, the region is that of the first of these environment variables that is set. Throws
// Failure{usage} where there is none, or both were given.
void take_region(std::string& region, const std::string& region_set,
                 std::initializer_list<const char*> variables);

// The body's `region`, or `region_set` of a list with commas.
void put_region(json::object& body, const std::string& region, const std::string& region_set);

}  // namespace holdfast::cli
