#include <algorithm>

#include "daemon/audit/claims.h"
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
  Verification(const std::string& folder, const VerifyOptions& options, const Progress& progress)
      : folder_(folder),
        options_(options),
        progress_(progress),
        claims_(folder, options, [this](const std::string& text) { fault(text); }) {}

  Verdict run() {
    const auto segments = list_segments(folder_, "leaves");
    if (!claims_.any() && verdict_.faults.empty() && segments.empty())
      throw Error(ErrorKind::audit_unavailable, "there is no audit log in " + folder_);
    claims_.compare(tree_);
    for (std::size_t i = 0; i < segments.size() && !stopped_; ++i) {
      if (segments[i] != i * kSegmentLeaves) {
        stop(name("leaves", i * kSegmentLeaves) + " is missing");
        break;
      }
      read_segment(segments[i], i + 1 == segments.size());
    }
    if (!stopped_) claims_.end_at(tree_.size());
    if (options_.anchor) compare_anchor(*options_.anchor);
    verdict_.state = {tree_.size(), to_base64(tree_.root())};
    verdict_.good = verdict_.faults.empty();
    if (!options_.keys.empty() && claims_.newest())
      verdict_.signed_size = claims_.newest()->checkpoint.state.size;
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
      claims_.compare(tree_);
      if (progress_ && tree_.size() % kProgressStep == 0)
        progress_(tree_.size(), std::max(tree_.size(), claims_.head()));
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
      // Behind the head the daemon may be about to write it.
      if (stored == tile.hashes || (stored.size() < kTileBytes && tile.end() > claims_.head()))
        continue;
      const std::uint64_t span = tile.end() / (tile.index + 1) / kTileWidth;
      std::size_t at = 0;
      while (at < stored.size() && stored[at] == tile.hashes[at]) ++at;
      const std::uint64_t from = tile.index * kTileWidth * span + at / sizeof(Sha256) * span;
      fault(tile.path() + (found ? ": does not fit the records from " + std::to_string(from) + " on"
                                 : ": is missing"));
    }
  }

  void compare_anchor(std::uint64_t value) {
    const auto& newest = claims_.newest();
    std::string has = "no anchor";
    if (newest && newest->checkpoint.anchor) {
      const std::uint64_t anchor = *newest->checkpoint.anchor;
      if (anchor == value) return;
      has = "the anchor " + std::to_string(anchor);
    }
    fault(
        "checkpoint: has " + has + ", and the device's counter is at " + std::to_string(value) +
        ": an older copy was put back, or daemon or machine ended without a last checkpoint; look "
        "again when the next one is signed, and for a record audit.behind_anchor");
  }

  std::string horizon() const {
    if (!verdict_.good) return "The log is not what was written; the faults say where. " + limits();
    const auto& checkpoint = claims_.newest();
    const bool is_signed = verdict_.signed_size != 0;
    const std::uint64_t covered = is_signed ? verdict_.signed_size : claims_.head();
    std::string text = "The first " + std::to_string(covered) + " records are those of ";
    text += is_signed ? "the checkpoint of " + checkpoint->checkpoint.origin +
                            " that was signed at " + to_rfc3339(checkpoint->checkpoint.time)
                      : "the log's head";
    text += ", in order and unchanged.";
    if (tree_.size() > covered)
      text += " Those from " + std::to_string(covered) + " to " + std::to_string(tree_.size() - 1) +
              " came after it: they are well-formed and fit their details, but a change or a cut "
              "there would not show.";
    if (verdict_.details_lost != 0)
      text += " A power cut is said to have taken the details of " +
              std::to_string(verdict_.details_lost) +
              "; nothing proves it, and who can write here can say so too.";
    return text + " " + limits();
  }

  std::string limits() const {
    if (options_.keys.empty())
      return std::string(claims_.newest() ? "Signatures were not checked, for no key was given"
                                          : "The log is not signed") +
             ": this finds accidents, not someone who can write here and rewrites records and head "
             "together, or puts back an older copy of both.";
    if (claims_.saved() == 0 && options_.anchor)
      return "The device's counter is the checkpoint's: an older copy of the folder would show, "
             "but "
             "for one of the same hour, and for one that the daemon went on with: that is recorded "
             "as audit.behind_anchor.";
    if (claims_.saved() == 0)
      return "Someone who can write here could have put back an older copy of the whole folder: "
             "compare "
             "with a checkpoint that was kept elsewhere.";
    return "The " + std::to_string(claims_.saved()) +
           " records of the saved checkpoint are among them; an older copy of the folder that has "
           "these would "
           "not show.";
  }

  const std::string& folder_;
  const VerifyOptions& options_;
  const Progress& progress_;
  Verdict verdict_;
  Claims claims_;
  bool stopped_ = false;
  Tree tree_;
};

}  // namespace

Verdict verify(const std::string& folder, const VerifyOptions& options, const Progress& progress) {
  return Verification(folder, options, progress).run();
}

}  // namespace holdfast::audit
