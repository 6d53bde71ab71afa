#include "daemon/policy/quote.h"

#include <cstdint>

#include <fmt/format.h>

#include "daemon/base/bytes.h"
#include "daemon/base/error.h"

namespace holdfast::policy {

std::string quote(std::string_view text) {
  if (!is_utf8(text)) throw Error(ErrorKind::invalid_request, "a value is not UTF-8");
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    // RFC 3629 §3: the lead byte's own bits, then six of each that follows.
    std::uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k)
      point = point << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
    i += length;
    if (point == '"' || point == '\\')
      quoted.append({'\\', static_cast<char>(point)});
    else if (point >= 0x20 && point < 0x7F)
      quoted.push_back(static_cast<char>(point));
    else
      quoted += point <= 0xFFFF ? fmt::format("\\u{:04X}", point) : fmt::format("\\U{:08X}", point);
  }
  return quoted + "\"";
}

}  // namespace holdfast::policy
