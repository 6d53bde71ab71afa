// The patterns of grants. `*` is any run of characters without the kind's separator, `**` any run;
// either may be empty. Nothing else is special and there is no escape. A match is of the whole text
// and takes at most pattern × text steps, whatever the pattern.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/policy/template.h"

namespace holdfast::policy {

enum class PatternKind : std::uint8_t {
  plain,  // no separator: `*` and `**` are the same
  path,   // separator '/'
  uri,    // separator '/'
  host,   // separator '.', blind to ASCII case
};

inline constexpr std::size_t kMaxPatternBytes = 1024;

// What is wrong with a pattern, or empty.
std::string_view fault_in_pattern(std::string_view text) noexcept;

class Pattern {
 public:
  // `text` has no fault.
  Pattern(std::string_view text, PatternKind kind);
  // Of what is filled in not even a star is special. At most kMaxPatternBytes together; none is empty.
  Pattern(const std::vector<Piece>& pieces, PatternKind kind);

  bool matches(std::string_view text) const;
  bool is_literal() const { return tokens_.empty(); }
  const std::string& text() const { return text_; }  // as it was written

 private:
  void append(std::string_view text, bool literal);

  std::string text_;
  PatternKind kind_;
  std::vector<std::uint16_t> tokens_;  // a byte, or one of the stars; empty if there is no star
};

}  // namespace holdfast::policy
