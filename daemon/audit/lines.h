// The log's lines as text, and the files they stand in. One record is one line of printable ASCII,
// whatever a caller sent: the fields come in one order and everything else is escaped.
//
//   leaves/000000065536.jsonl    {"seq":…,"time":…,…,"details_sha256":"…"}
//   details/000000065536.jsonl   {"seq":…,"salt":"…","details":{…}}
//                                {"seq":…,"lost":true}   the details did not survive a power cut
//
// A file holds 65,536 lines and is named after its first one's sequence number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/record.h"
#include "daemon/base/bytes.h"
#include "daemon/base/openssl.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {

inline constexpr std::uint64_t kSegmentLeaves = 65536;  // 256 full tiles, one hash of level 2
inline constexpr std::size_t kSaltBytes = 16;
inline constexpr std::size_t kMaxLineBytes = 256 * 1024;  // more than the longest that is written

std::string segment_path(const std::string& folder, std::string_view kind, std::uint64_t first);

// The first sequence numbers of the files in folder/kind, ascending. Throws
// Error{audit_unavailable}.
std::vector<std::uint64_t> list_segments(const std::string& folder, std::string_view kind);

// Appends the record's two lines to `leaves` and `details`; returns where in `leaves` the leaf
// (which is hashed without its newline) begins.
std::size_t write_lines(const Record& record, std::uint64_t seq, ByteView salt, std::string& leaves,
                        std::string& details);
std::string lost_line(std::uint64_t seq);

// Whether the line, without its newline, has the form of the leaf `seq`.
bool is_leaf(std::string_view line, std::uint64_t seq);
std::string_view details_digest(std::string_view leaf);  // of a line that is_leaf

struct DetailsLine {
  bool lost = false;
  Bytes salt;
  std::string_view text;  // the exact JSON that was hashed; points into the line
  bool matches(std::string_view leaf) const;  // true also if lost
};
// nullopt if the line does not have the form of the details of `seq`.
std::optional<DetailsLine> split_details(std::string_view line, std::uint64_t seq);

// Reads a file's lines one after the other. Throws Error{audit_unavailable}.
class LineReader {
 public:
  explicit LineReader(std::string path);  // a file that does not exist has no lines

  bool exists() const { return static_cast<bool>(fd_); }
  // The next whole line without its newline, valid until the next call; nullopt at the end or
  // before a torn line.
  std::optional<std::string_view> next();
  std::uint64_t offset() const { return offset_; }  // behind the last line that next() gave
  void skip_to(std::uint64_t offset);
  // What follows offset().
  enum class Rest {
    nothing,
    torn,       // a line without its end: the process died while it wrote
    unwritten,  // NULs: a page that never got to the disk before a power cut
    other,      // neither is explained by a crash
  };
  Rest rest();
  // Reads what follows from the disk again instead of from memory: after a failed fsync the page
  // cache shows as clean what never got to the disk.
  void drop_cached();

 private:
  bool fill();

  std::string path_;
  UniqueFd fd_;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace holdfast::audit
