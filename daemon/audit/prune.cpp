#include "daemon/audit/prune.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "daemon/audit/lines.h"
#include "daemon/audit/reader.h"
#include "daemon/base/error.h"

namespace holdfast::audit {

std::vector<std::uint64_t> prunable(const std::string& folder, const Age& age) {
  const auto leaves = list_segments(folder, "leaves");
  std::vector<std::uint64_t> old;
  for (const std::uint64_t first : list_segments(folder, "details")) {
    const std::uint64_t end = first + kSegmentLeaves;
    if (!std::ranges::binary_search(leaves, first) || !std::ranges::binary_search(leaves, end))
      continue;
    if (age.before_seq && end > *age.before_seq) continue;
    const auto next = age.before_time ? first_time(folder, end) : std::nullopt;
    // Its time is cut to the second.
    if (age.before_time && (!next || *next + std::chrono::seconds(1) > *age.before_time)) continue;
    old.push_back(first);
  }
  return old;
}

std::string describe(const std::vector<std::uint64_t>& segments) {
  if (segments.empty()) return "no segment is that old";
  return "details of the records " + std::to_string(segments.front()) + " to " +
         std::to_string(segments.back() + kSegmentLeaves - 1);
}

void prune(const std::string& folder, const std::vector<std::uint64_t>& segments) {
  for (const std::uint64_t first : segments) {
    const std::string path = segment_path(folder, "details", first);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      throw_errno(ErrorKind::audit_unavailable, "remove " + path);
  }
  const std::string path = folder + "/details";
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) throw_errno(ErrorKind::audit_unavailable, "fsync " + path);
}

}  // namespace holdfast::audit
