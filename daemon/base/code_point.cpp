#include "daemon/base/code_point.h"

namespace holdfast {

std::uint32_t next_code_point(std::string_view text, std::size_t& at) noexcept {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // The lead byte's own bits, then six of each that follows.
  std::uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t k = 1; k < length; ++k)
    point = point << 6 | (static_cast<unsigned char>(text[at + k]) & 0x3FU);
  at += length;
  return point;
}

}  // namespace holdfast
