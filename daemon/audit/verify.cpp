#include <algorithm>

#include "daemon/audit/checkpoint.h"
#include "daemon/audit/lines.h"
#include "daemon/audit/reader.h"
#include "daemon/audit/tree.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {
namespace {

constexpr std::size_t kMaxFaults = 100;
constexpr std::uint64_t kProgressStep = 4096;

class Verification {
 public:
  Verification(const std::string& folder, const Progress& progress)
      : folder_(folder), progress_(progress) {}

  Verdict run() {
    // Before the records: those of a log that is being written to can only be more.
    load_checkpoint();
    const auto segments = list_segments(folder_, "leaves");
    if (!has_checkpoint_ && verdict_.faults.empty() && segments.empty())
      throw Error(ErrorKind::audit_unavailable, "there is no audit log in " + folder_);
    compare_root();
    for (std::size_t i = 0; i < segments.size() && !stopped_; ++i) {
      if (segments[i] != i * kSegmentLeaves) {
        stop(name("leaves", i * kSegmentLeaves) + " is missing");
        break;
      }
      read_segment(segments[i], i + 1 == segments.size());
    }
    if (!stopped_ && tree_.size() < checkpoint_.size)
      fault("leaves: the log was cut: it has " + std::to_string(tree_.size()) +
            " records, and its checkpoint says " + std::to_string(checkpoint_.size));
    verdict_.state = {tree_.size(), to_base64(tree_.root())};
    verdict_.good = verdict_.faults.empty();
    verdict_.horizon = horizon();
    return std::move(verdict_);
  }

 private:
  static std::string name(std::string_view kind, std::uint64_t first) {
    return segment_path("", kind, first).substr(1);
  }
  static std::string line(std::string_view kind, std::uint64_t first, std::uint64_t seq) {
    return name(kind, first) + " line " + std::to_string(seq - first + 1);
  }

  void fault(const std::string& text) {
    if (verdict_.faults.size() < kMaxFaults) verdict_.faults.push_back(text);
  }
  void stop(const std::string& text) {
    fault(text);
    stopped_ = true;
  }

  void load_checkpoint() {
    try {
      if (const auto stored = read_checkpoint(folder_)) {
        checkpoint_ = *stored;
        has_checkpoint_ = true;
      } else if (!list_segments(folder_, "leaves").empty()) {
        fault("checkpoint: is missing");
      }
    } catch (const Error& error) {
      fault("checkpoint: " + error.detail());
    }
  }

  void read_segment(std::uint64_t first, bool last) {
    LineReader leaves(segment_path(folder_, "leaves", first));
    LineReader details(segment_path(folder_, "details", first));
    bool details_good = true;
    while (tree_.size() < first + kSegmentLeaves) {
      const std::uint64_t seq = tree_.size();
      const auto leaf = leaves.next();
      if (!leaf) {
        if (!last)
          stop(line("leaves", first, seq) + ": " + std::to_string(first + kSegmentLeaves - seq) +
               " records are missing here");
        return;
      }
      if (!is_leaf(*leaf, seq))
        return stop(line("leaves", first, seq) + ": is not the record " + std::to_string(seq));
      if (!details.exists())
        ++verdict_.details_pruned;
      else if (details_good)
        details_good = check_details(details, first, seq, *leaf);
      tree_.push(leaf_hash(*leaf));
      compare_tiles();
      compare_root();
      if (progress_ && tree_.size() % kProgressStep == 0)
        progress_(tree_.size(), std::max(tree_.size(), checkpoint_.size));
    }
    if (leaves.rest() != LineReader::Rest::nothing)
      fault(name("leaves", first) + ": goes on behind its last line");
    if (!last && details.exists() && details_good && details.rest() != LineReader::Rest::nothing)
      fault(name("details", first) + ": goes on behind its last line");
  }

  // False where the rest of the file can't be held against the records any more.
  bool check_details(LineReader& details, std::uint64_t first, std::uint64_t seq,
                     std::string_view leaf) {
    const auto text = details.next();
    const auto parsed = text ? split_details(*text, seq) : std::nullopt;
    if (!parsed) {
      fault(line("details", first, seq) +
            (text ? ": is not the details of record " + std::to_string(seq) : ": is missing"));
      return text.has_value();
    }
    if (parsed->lost)
      ++verdict_.details_lost;
    else if (parsed->matches(leaf))
      ++verdict_.details_checked;
    else
      fault(line("details", first, seq) + ": does not have the hash that the record says");
    return true;
  }

  void compare_tiles() {
    for (const Tile& tile : tree_.take_filled()) {
      std::string stored;
      bool found = true;
      try {
        stored = read_file(folder_ + "/" + tile.path(), kTileBytes);
      } catch (const Error& error) {
        found = error.kind() != ErrorKind::not_found;
      }
      // Behind the checkpoint the daemon may be about to write it.
      if (stored == tile.hashes || (stored.size() < kTileBytes && tile.end() > checkpoint_.size))
        continue;
      const std::uint64_t span = tile.end() / (tile.index + 1) / kTileWidth;
      std::size_t at = 0;
      while (at < stored.size() && stored[at] == tile.hashes[at]) ++at;
      const std::uint64_t from = tile.index * kTileWidth * span + at / sizeof(Sha256) * span;
      fault(tile.path() + (found ? ": does not fit the records from " + std::to_string(from) + " on"
                                 : ": is missing"));
    }
  }

  void compare_root() {
    if (has_checkpoint_ && tree_.size() == checkpoint_.size &&
        to_base64(tree_.root()) != checkpoint_.root)
      fault("checkpoint: the first " + std::to_string(checkpoint_.size) +
            " records do not have the root that it says");
  }

  std::string horizon() const {
    std::string text;
    if (!verdict_.good) {
      text = "The log is not what was written; the faults say where.";
    } else {
      text = "The first " + std::to_string(checkpoint_.size) +
             " records are those of the last checkpoint, in order and unchanged.";
      if (tree_.size() > checkpoint_.size)
        text += " Those from " + std::to_string(checkpoint_.size) + " to " +
                std::to_string(tree_.size() - 1) +
                " came after it: they are well-formed and fit their details, but a change or a cut "
                "there "
                "would not show.";
    }
    return text +
           " The checkpoint is not signed: this finds accidents, not someone who can write here "
           "and "
           "rewrites log and checkpoint together, or puts back an older copy of both.";
  }

  const std::string& folder_;
  const Progress& progress_;
  Verdict verdict_;
  LogState checkpoint_;
  bool has_checkpoint_ = false;
  bool stopped_ = false;
  Tree tree_;
};

}  // namespace

Verdict verify(const std::string& folder, const Progress& progress) {
  return Verification(folder, progress).run();
}

}  // namespace holdfast::audit
