// What the fuzz targets share. A target takes any bytes; an Error that the part may throw is an answer, and
// everything else that is thrown ends the program.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace holdfast::fuzz {

// Ends the program: the input that is under way is a finding.
inline void check(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", claim);
  std::abort();
}

// True where `part` came to its end, false where it threw an Error of one of `kinds`.
template <class Part>
bool answers(std::initializer_list<ErrorKind> kinds, Part part) {
  try {
    part();
    return true;
  } catch (const Error& error) {
    for (const ErrorKind kind : kinds)
      if (error.kind() == kind) return false;
    std::fprintf(stderr, "not an answer of this part: %s\n", error.what());
    std::abort();
  }
}

// Takes an input apart; where it is at its end, zeros and nothing follow.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    const ByteView one = take(1);
    return one.empty() ? 0 : one.front();
  }
  ByteView take(std::size_t size) {
    const ByteView head = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(head.size());
    return head;
  }
  ByteView rest() { return take(rest_.size()); }
  // With its length in two bytes in front, little-endian.
  ByteView sized() {
    const std::size_t low = byte();
    return take(low | static_cast<std::size_t>(byte()) << 8);
  }
  std::string_view rest_text() { return as_text(rest()); }

 private:
  ByteView rest_;
};

}  // namespace holdfast::fuzz
