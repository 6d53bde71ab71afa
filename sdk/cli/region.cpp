#include "sdk/cli/region.h"

#include <algorithm>
#include <cstdlib>

#include "sdk/cli/failure.h"

namespace holdfast::cli {

void take_region(std::string& region, const std::string& region_set,
                 std::initializer_list<const char*> variables) {
  if (!region.empty() && !region_set.empty())
    throw Failure(Exit::usage, "--region and --region-set exclude each other", "give one of them");
  if (!region_set.empty()) return;
  for (const char* variable : variables)
    if (const char* found = std::getenv(variable); region.empty() && found) region = found;
  if (region.empty())
    throw Failure(Exit::usage, "--region is missing",
                  "give --region R, or for SigV4A --region-set R,…");
}

void put_region(json::object& body, const std::string& region, const std::string& region_set) {
  if (region_set.empty()) {
    body["region"] = region;
    return;
  }
  json::array regions;
  for (std::size_t start = 0; start <= region_set.size();) {
    const std::size_t end = std::min(region_set.find(',', start), region_set.size());
    regions.emplace_back(region_set.substr(start, end - start));
    start = end + 1;
  }
  body["region_set"] = std::move(regions);
}

}  // namespace holdfast::cli
