// Where a signature is good: in one region, or with SigV4A in each of a set.
#pragma once

#include <string>

#include "daemon/base/facts.h"
#include "daemon/base/json.h"

namespace holdfast::format {

struct Regions {
  std::string
      text;  // the region; of a set its elements, joined by "," as X-Amz-Region-Set has them
  bool is_set = false;  // of SigV4A: an element may hold the wildcard "*"
};

// Reads `region` or `region_set`, of which one has to be there. Throws through fields.fail().
Regions read_regions(Fields& fields);

// `region`, once for each element.
void add_region_facts(const Regions& regions, Facts& facts);

}  // namespace holdfast::format
