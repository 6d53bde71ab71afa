// The canonical path, and the path that policy judges.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast::format {

struct PathRules {
  bool normalize;      // drop empty and dot segments, as every service but S3 does
  bool double_encode;  // encode once more than the wire does, as every service but S3 does
  bool plus_is_space;  // S3 may read "+" as a space
};

struct CanonicalPath {
  std::string canonical;  // as it stands in the canonical request
  std::string routed;     // the wire's path, normalised by the same rules, decoded exactly once
  bool ambiguous = false;
};

// `wire` was checked by parse_url. ambiguous: a service might route another path than `routed`,
// because the wire holds %2F, %5C, %00, an encoded unreserved character (%2e%2e), under rules that
// don't normalise an empty, "." or ".." segment, or a "+" that may be a space. %252F is a plain
// "%2F" in `routed` and never a slash.
CanonicalPath canonical_path(std::string_view wire, PathRules rules);

// What S3 may take an x-amz-copy-source for: with a slash at its head, whole as it stands, and
// decoded, without the version behind its "?", where that differs; a "+" as itself and as a space.
// Empty if it does not decode to UTF-8.
std::vector<std::string> copy_sources(std::string_view value);

}  // namespace holdfast::format
