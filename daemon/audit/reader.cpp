#include "daemon/audit/reader.h"

#include "daemon/audit/head.h"
#include "daemon/audit/lines.h"

namespace holdfast::audit {
namespace {

void skip_lines(LineReader& reader, std::uint64_t lines) {
  while (lines > 0 && reader.next()) --lines;
}

[[noreturn]] void damaged(std::string_view kind, std::uint64_t first, std::uint64_t seq) {
  throw Error(ErrorKind::audit_unavailable, segment_path("", kind, first).substr(1) + " line " +
                                                std::to_string(seq - first + 1) +
                                                " is damaged: run `holdfast audit verify`");
}

json::object parse(std::string_view text, std::string_view kind, std::uint64_t first,
                   std::uint64_t seq) {
  try {
    return parse_json_object(text);
  } catch (const Error&) {
    damaged(kind, first, seq);
  }
}

SystemTime time_of(std::string_view line, std::uint64_t first, std::uint64_t seq) {
  const json::object leaf = parse(line, "leaves", first, seq);
  const json::value* time = leaf.if_contains("time");
  if (time == nullptr || !time->is_string() || time->get_string().size() < 19)
    damaged("leaves", first, seq);
  // Microseconds are cut off: to_rfc3339_micros wrote it.
  const auto read = from_rfc3339(std::string(time->get_string().subview(0, 19)) + "Z");
  if (!read) damaged("leaves", first, seq);
  return *read;
}

}  // namespace

std::vector<json::object> read(const std::string& folder, std::int64_t after, std::size_t limit) {
  std::vector<json::object> records;
  std::uint64_t seq = after < 0 ? 0 : static_cast<std::uint64_t>(after) + 1;
  while (records.size() < limit) {
    const std::uint64_t first = seq / kSegmentLeaves * kSegmentLeaves;
    LineReader leaves(segment_path(folder, "leaves", first));
    LineReader details(segment_path(folder, "details", first));
    skip_lines(leaves, seq - first);
    skip_lines(details, seq - first);
    for (; records.size() < limit && seq < first + kSegmentLeaves; ++seq) {
      const auto leaf = leaves.next();
      if (!leaf) return records;
      if (!is_leaf(*leaf, seq)) damaged("leaves", first, seq);
      json::object& record = records.emplace_back(parse(*leaf, "leaves", first, seq));
      if (const auto line = details.next()) {
        const auto parsed = split_details(*line, seq);
        if (!parsed) damaged("details", first, seq);
        if (!parsed->lost) record["details"] = parse(parsed->text, "details", first, seq);
      }
    }
  }
  return records;
}

std::uint64_t count(const std::string& folder) {
  const auto segments = list_segments(folder, "leaves");
  if (segments.empty()) {
    if (!read_head(folder))
      throw Error(ErrorKind::audit_unavailable, "there is no audit log in " + folder);
    return 0;
  }
  LineReader leaves(segment_path(folder, "leaves", segments.back()));
  std::uint64_t count = segments.back();
  while (leaves.next()) ++count;
  return count;
}

std::optional<SystemTime> last_time(const std::string& folder) {
  const auto segments = list_segments(folder, "leaves");
  // The last file may end in, or hold nothing but, what a crash tore; recovery decides what becomes of it.
  for (auto first = segments.rbegin(); first != segments.rend(); ++first) {
    LineReader leaves(segment_path(folder, "leaves", *first));
    std::string last;
    std::uint64_t seq = *first;
    for (auto line = leaves.next(); line && is_leaf(*line, seq); line = leaves.next(), ++seq)
      last = *line;
    if (last.empty()) continue;
    return time_of(last, *first, seq - 1);
  }
  return std::nullopt;
}

std::optional<SystemTime> first_time(const std::string& folder, std::uint64_t first) {
  LineReader leaves(segment_path(folder, "leaves", first));
  const auto line = leaves.next();
  if (!line || !is_leaf(*line, first)) return std::nullopt;
  return time_of(*line, first, first);
}

}  // namespace holdfast::audit
