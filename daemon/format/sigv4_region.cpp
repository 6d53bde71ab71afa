#include "daemon/format/sigv4_region.h"

#include <algorithm>

#include "daemon/format/sigv4_scope.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxRegions = 16;

}  // namespace

Regions read_regions(Fields& fields) {
  if (!fields.has("region_set")) return {read_scope_part(fields, "region")};
  if (fields.has("region")) fields.fail("region_set", "and region exclude each other: give one");
  Regions regions{{}, true};
  for (const std::string& region : fields.text_list("region_set", kMaxRegions, kMaxScopePart)) {
    if (region.empty() ||
        !std::ranges::all_of(region, [](char c) { return is_scope_character(c) || c == '*'; }))
      fields.fail("region_set", "an entry has to be 1 to 64 of a-z, 0-9, - and *");
    regions.text.append(regions.text.empty() ? "" : ",").append(region);
  }
  if (regions.text.empty()) fields.fail("region_set", "has to be a list of 1 to 16 regions");
  return regions;
}

void add_region_facts(const Regions& regions, Facts& facts) {
  for (std::size_t start = 0; start <= regions.text.size();) {
    const std::size_t end = std::min(regions.text.find(',', start), regions.text.size());
    facts.add("region", regions.text.substr(start, end - start));
    start = end + 1;
  }
}

}  // namespace holdfast::format
