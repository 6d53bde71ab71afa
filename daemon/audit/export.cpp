#include "daemon/audit/export.h"

#include <filesystem>

#include "daemon/audit/lines.h"
#include "daemon/audit/proof.h"
#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMode = 0644;  // to be served

class Export {
 public:
  // `earlier`: of how many records the target has an export.
  Export(const std::string& folder, std::uint64_t size, fs::path target, std::uint64_t earlier)
      : folder_(folder),
        tree_(folder, size),
        size_(size),
        target_(std::move(target)),
        earlier_(earlier) {}

  void run() {
    for (unsigned level = 0; level < 8 && size_ >> (8 * level) != 0; ++level) write_level(level);
    for (std::uint64_t bundle = 0; bundle * kTileWidth < size_; ++bundle) write_entries(bundle);
  }

 private:
  // Where the tile or bundle goes that has `width` of 256 and ends with the record before `end`; empty if the earlier
  // export has it.
  fs::path place(const std::string& path, std::uint64_t width, std::uint64_t end) const {
    const fs::path full = target_ / path;
    if (width == kTileWidth && end <= earlier_ && fs::exists(full)) return {};
    return width == kTileWidth ? full : fs::path(full.string() + ".p") / std::to_string(width);
  }

  static void write(const fs::path& path, std::string_view content) {
    fs::create_directories(path.parent_path());
    replace_file(path, content, kMode);
  }

  void write_level(unsigned level) {
    const std::uint64_t hashes = size_ >> (8 * level);
    for (std::uint64_t index = 0; index * kTileWidth < hashes; ++index) {
      const std::uint64_t width = std::min<std::uint64_t>(kTileWidth, hashes - index * kTileWidth);
      const fs::path path =
          place(Tile::path(level, index), width, (index * kTileWidth + width) << 8 * level);
      if (path.empty()) continue;
      std::string tile;
      for (std::uint64_t at = 0; at < width; ++at)
        tile += as_text(tree_.subtree(8 * level, index * kTileWidth + at));
      write(path, tile);
    }
  }

  // Big-endian length of two bytes before each entry.
  void write_entries(std::uint64_t bundle) {
    const std::uint64_t begin = bundle * kTileWidth;
    const std::uint64_t width = std::min<std::uint64_t>(kTileWidth, size_ - begin);
    std::string path = Tile::path(0, bundle);
    const fs::path where =
        place(path.replace(0, std::string("tile/0").size(), "tile/entries"), width, begin + width);
    if (where.empty()) return;
    std::string text;
    for (std::uint64_t at = 0; at < width; ++at) {
      const std::string_view leaf = line(begin + at);
      if (leaf.size() > UINT16_MAX)
        throw Error(ErrorKind::audit_unavailable, "a record is longer than an entry may be");
      text.push_back(static_cast<char>(leaf.size() >> 8));
      text.push_back(static_cast<char>(leaf.size() & 0xff));
      text += leaf;
    }
    write(where, text);
  }

  std::string_view line(std::uint64_t seq) {
    const std::uint64_t first = seq / kSegmentLeaves * kSegmentLeaves;
    if (!reader_ || seq < next_ || first != segment_) {
      reader_.emplace(segment_path(folder_, "leaves", first));
      segment_ = next_ = first;
    }
    std::optional<std::string_view> text;
    for (; next_ <= seq; ++next_) text = reader_->next();
    if (!text)
      throw Error(ErrorKind::audit_unavailable, "a record is missing: run `holdfast audit verify`");
    return *text;
  }

  const std::string& folder_;
  StoredTree tree_;
  const std::uint64_t size_;
  const fs::path target_;
  const std::uint64_t earlier_;
  std::optional<LineReader> reader_;
  std::uint64_t segment_ = 0, next_ = 0;
};

// Of how many records the target has an export already; none where its checkpoint, which comes last, is missing.
// Tiles of another log among ours would be neither's.
std::uint64_t exported(const std::string& folder, const LogState& state,
                       const std::string& target) {
  std::string note;
  try {
    note = read_file(target + "/checkpoint", kMostNoteBytes);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    return 0;
  }
  if (const auto parsed = parse_checkpoint(note)) {
    const LogState& earlier = parsed->checkpoint.state;
    if (earlier.size <= state.size && has(folder, earlier)) return earlier.size;
  }
  throw Error(ErrorKind::conflict,
              target + " has the export of another log, or of more records: name an empty folder");
}

}  // namespace

void export_log(const std::string& folder, const std::string& note, const std::string& target) {
  const auto checkpoint = parse_checkpoint(note);
  if (!checkpoint) throw Error(ErrorKind::audit_unavailable, "the checkpoint is damaged");
  const LogState& state = checkpoint->checkpoint.state;
  if (!has(folder, state))
    throw Error(ErrorKind::audit_unavailable,
                "the files do not give the checkpoint's root: run `holdfast audit verify`");
  Export(folder, state.size, target, exported(folder, state, target)).run();
  replace_file(target + "/checkpoint", note, kMode);
}

}  // namespace holdfast::audit
