#include "daemon/audit/recovery.h"

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "daemon/audit/lines.h"
#include "daemon/base/log.h"

namespace holdfast::audit {
namespace {

[[noreturn]] void refuse(const Disk& disk, const std::string& fault, std::string_view advice = {}) {
  throw Error(
      ErrorKind::audit_unavailable,
      "the audit log in " + disk.folder() + " is damaged: " + fault + ". " +
          std::string(advice.empty() ? "Nothing is signed with it. Examine it with `holdfast "
                                       "audit verify`, restore it, or move the folder away, keep "
                                       "it, and restart: a new log begins"
                                     : advice));
}

std::string place(std::string_view kind, std::uint64_t first, std::uint64_t seq) {
  return segment_path("", kind, first).substr(1) + " line " + std::to_string(seq - first + 1);
}

class Recovery {
 public:
  Recovery(Disk& disk, const LogState& head) : disk_(disk), head_(head) {}

  Tree run(const std::function<void(const Tree&)>& accept) {
    const auto segments = list_segments(disk_.folder(), "leaves");
    for (std::size_t i = 0; i < segments.size(); ++i)
      if (segments[i] != i * kSegmentLeaves)
        refuse(disk_, segment_path("", "leaves", i * kSegmentLeaves).substr(1) + " is missing");
    check_root();
    const std::size_t start = first_to_read(segments);
    for (std::size_t i = 0; i < start; ++i) trust_tile(i);
    for (std::size_t i = start; i < segments.size(); ++i)
      read_segment(segments[i], i + 1 == segments.size());
    if (tree_.size() < head_.size)
      refuse(disk_, "it was cut: it has " + std::to_string(tree_.size()) +
                        " records, and its head says " + std::to_string(head_.size));
    accept(tree_);
    // Only now: a log that is refused stays as it was found.
    for (const auto& mend : mends_) mend();
    return std::move(tree_);
  }

 private:
  // The last segment that has a line, or an earlier one if the head ends there.
  std::size_t first_to_read(const std::vector<std::uint64_t>& segments) const {
    if (segments.empty()) return 0;
    std::size_t last = segments.size() - 1;
    LineReader leaves(segment_path(disk_.folder(), "leaves", segments[last]));
    if (last > 0 && !leaves.next()) --last;
    return std::min<std::size_t>(last, head_.size / kSegmentLeaves);
  }

  // A segment that the head covers: its level-1 tile stands for its 65,536 leaves.
  void trust_tile(std::uint64_t segment) {
    const Tile tile{1, segment, stored(Tile::path(1, segment))};
    if (tile.hashes.size() != kTileBytes) refuse(disk_, tile.path() + " is missing or short");
    tree_.push(tile.root(), 16);
    check_tiles();
    check_root();
  }

  void read_segment(std::uint64_t first, bool last) {
    const std::string path = segment_path("", "leaves", first).substr(1);
    LineReader leaves(disk_.folder() + "/" + path);
    LineReader details(segment_path(disk_.folder(), "details", first));
    std::uint64_t with_details = 0, details_end = 0;
    bool details_good = details.exists();
    while (tree_.size() < first + kSegmentLeaves) {
      const std::uint64_t seq = tree_.size();
      if (seq == std::max(first, head_.size)) {
        leaves.drop_cached();
        details.drop_cached();
      }
      const std::uint64_t good = leaves.offset();
      const auto leaf = leaves.next();
      if (!leaf || !is_leaf(*leaf, seq)) {
        leaves.skip_to(good);
        take_back(leaves.rest(), path, first, good, last);
        break;
      }
      if (details_good && check_details(details, first, seq, *leaf))
        details_end = details.offset(), ++with_details;
      else
        details_good = false;
      tree_.push(leaf_hash(*leaf));
      check_tiles();
      check_root();
    }
    if (tree_.size() == first + kSegmentLeaves && leaves.rest() != LineReader::Rest::nothing)
      refuse(disk_, path + " goes on behind its last line");
    if (details.exists() || (last && tree_.size() > first))
      mends_.push_back([this, first, count = tree_.size() - first, with_details, details_end,
                        flags = details.exists() ? O_APPEND : O_APPEND | O_CREAT] {
        mend_details(first, count, with_details, details_end, flags);
      });
  }

  // What follows the last good line is dropped if a crash explains it.
  void take_back(LineReader::Rest rest, const std::string& path, std::uint64_t first,
                 std::uint64_t good, bool last) {
    const std::uint64_t seq = tree_.size();
    if (rest == LineReader::Rest::nothing && last) return;
    // Complete records that the head counts are gone, or something else was written there.
    if (!last || seq < head_.size || rest == LineReader::Rest::other)
      refuse(disk_,
             place("leaves", first, seq) + (rest == LineReader::Rest::nothing
                                                ? " is missing"
                                                : " is not the record " + std::to_string(seq)));
    mends_.push_back([this, path, good, seq] { drop_rest(path, good, seq); });
  }

  void drop_rest(const std::string& path, std::uint64_t good, std::uint64_t seq) {
    UniqueFd fd = disk_.open(path, O_WRONLY);
    disk_.truncate(fd.get(), good, path);
    disk_.sync_later(std::move(fd));
    log::warning("audit_record_dropped", {{"seq", std::to_string(seq)},
                                          {"reason", "torn by a crash; it was never answered"}});
  }

  // False from the first line on that a power cut took; refuses what was durable and is not there.
  bool check_details(LineReader& details, std::uint64_t first, std::uint64_t seq,
                     std::string_view leaf) {
    const auto line = details.next();
    const auto parsed = line ? split_details(*line, seq) : std::nullopt;
    if (parsed && (seq < head_.size || parsed->matches(leaf))) return true;
    if (seq < head_.size)
      refuse(disk_,
             place("details", first, seq) + " is not the details of record " + std::to_string(seq),
             "Move that file away and restart: its details count as pruned, the records stay");
    return false;
  }

  // Details without a leaf were written just before a crash; a leaf without details lost them to a
  // power cut and gets a line that says so.
  void mend_details(std::uint64_t first, std::uint64_t count, std::uint64_t with_details,
                    std::uint64_t good, int flags) {
    const std::string path = segment_path("", "details", first).substr(1);
    UniqueFd fd = disk_.open(path, O_WRONLY | flags);
    if (disk_.size(fd.get(), path) == good && with_details == count) return;
    disk_.truncate(fd.get(), good, path);
    std::string lost;
    for (std::uint64_t at = with_details; at < count; ++at) lost += lost_line(first + at);
    disk_.write(fd.get(), lost, path);
    disk_.sync_later(std::move(fd));
    if (with_details < count)
      log::warning("audit_details_lost", {{"from_seq", std::to_string(first + with_details)},
                                          {"records", std::to_string(count - with_details)}});
  }

  // Tiles that the head covers were made durable before it, so they have to be right; later
  // ones are written again.
  void check_tiles() {
    for (const Tile& tile : tree_.take_filled()) {
      if (tile.end() > head_.size)
        mends_.push_back([this, tile] { disk_.write_tile(tile); });
      else if (stored(tile.path()) != tile.hashes)
        refuse(disk_,
               tile.path() + " does not fit the records up to " + std::to_string(tile.end() - 1));
    }
  }

  void check_root() {
    if (tree_.size() == head_.size && to_base64(tree_.root()) != head_.root)
      refuse(disk_, "the first " + std::to_string(head_.size) +
                        " records do not have the root that its head says");
  }

  std::string stored(const std::string& path) const {
    try {
      return read_file(disk_.folder() + "/" + path, kTileBytes);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::internal) return {};
      throw Error(ErrorKind::audit_unavailable, error.detail(), error.where(), error.native_code());
    }
  }

  Disk& disk_;
  const LogState& head_;
  Tree tree_;
  std::vector<std::function<void()>> mends_;
};

}  // namespace

Tree recover(Disk& disk, const LogState& head, const std::function<void(const Tree&)>& accept) {
  return Recovery(disk, head).run(accept);
}

void rewrite(Disk& disk, const Tail& tail) {
  if (tail.leaves.empty()) return;
  const std::uint64_t first = tail.first / kSegmentLeaves * kSegmentLeaves;
  for (const auto& [kind, text] : {std::pair{"details", &tail.details}, {"leaves", &tail.leaves}}) {
    const std::string path = segment_path("", kind, first).substr(1);
    disk.replace(path, [&](int fd) {
      LineReader former(disk.folder() + "/" + path);
      std::string part;
      for (std::uint64_t seq = first; seq < tail.first; ++seq) {
        const auto line = former.next();
        if (!line) refuse(disk, place(kind, first, seq) + " is missing");
        part.append(*line).append("\n");
        if (part.size() < kMaxLineBytes) continue;
        disk.write(fd, part, path);
        part.clear();
      }
      disk.write(fd, part + *text, path);
    });
  }
}

}  // namespace holdfast::audit
