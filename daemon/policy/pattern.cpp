#include "daemon/policy/pattern.h"

#include <algorithm>
#include <array>

namespace holdfast::policy {
namespace {

constexpr std::uint16_t kWithin = 256;  // `*` where there is a separator
constexpr std::uint16_t kAcross = 257;  // `**`, and `*` where there is none

// Locale-independent, as host names are (RFC 4343).
unsigned char lower(char c) {
  return static_cast<unsigned char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

unsigned char separator_of(PatternKind kind) {
  return kind == PatternKind::host ? '.' : '/';
}

}  // namespace

std::string_view fault_in_pattern(std::string_view text) noexcept {
  if (text.size() > kMaxPatternBytes)
    return "is longer than 1024 bytes: shorten it with ** or split it";
  if (text.find("***") != std::string_view::npos)
    return "has more than two stars in a row: use * or **";
  return {};
}

Pattern::Pattern(std::string_view text, PatternKind kind) : text_(text), kind_(kind) {
  if (text.find('*') != std::string_view::npos) append(text, false);
}

Pattern::Pattern(const std::vector<Piece>& pieces, PatternKind kind) : kind_(kind) {
  bool star = false;
  for (const Piece& piece : pieces) {
    text_ += piece.text;
    star = star || (!piece.filled_in && piece.text.find('*') != std::string::npos);
  }
  if (!star) return;
  for (const Piece& piece : pieces) append(piece.text, piece.filled_in);
}

void Pattern::append(std::string_view text, bool literal) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (literal || text[i] != '*') {
      tokens_.push_back(kind_ == PatternKind::host ? lower(text[i])
                                                   : static_cast<unsigned char>(text[i]));
    } else if (i + 1 < text.size() && text[i + 1] == '*') {
      tokens_.push_back(kAcross);
      ++i;
    } else {
      tokens_.push_back(kind_ == PatternKind::plain ? kAcross : kWithin);
    }
  }
}

// Walks all ways through the pattern at once: `now` holds the positions it can be at, ascending. A
// star's position stands for the one after it too, because a star may be empty. No position is
// followed by its successor if it is a star, so what one character reaches comes out ascending
// again, equal ones side by side.
bool Pattern::matches(std::string_view text) const {
  if (is_literal())
    return kind_ == PatternKind::host ? std::ranges::equal(text, text_, {}, lower, lower)
                                      : text == text_;

  const std::size_t end = tokens_.size();
  const unsigned char separator = separator_of(kind_);
  std::array<std::uint16_t, kMaxPatternBytes + 1> now, next;
  std::size_t count = 1;
  now[0] = 0;
  for (const char c : text) {
    const unsigned char byte =
        kind_ == PatternKind::host ? lower(c) : static_cast<unsigned char>(c);
    std::size_t reached = 0;
    const auto reach = [&](std::size_t position) {
      if (reached == 0 || next[reached - 1] != position)
        next[reached++] = static_cast<std::uint16_t>(position);
    };
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t at = now[i];
      if (at < end && tokens_[at] >= kWithin) {
        if (tokens_[at] == kAcross && at + 1 == end) return true;
        if (tokens_[at] == kAcross || byte != separator) reach(at);
        ++at;
      }
      if (at < end && tokens_[at] == byte) reach(at + 1);
    }
    if (reached == 0) return false;
    std::swap(now, next);
    count = reached;
  }
  // Ascending: if any position is the end, or a star just before it, the last one is.
  const std::size_t last = now[count - 1];
  return last == end || (last + 1 == end && tokens_[last] >= kWithin);
}

}  // namespace holdfast::policy
