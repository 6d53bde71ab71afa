#include "daemon/policy/quote.h"

#include <cstdint>

#include <fmt/format.h>

#include "daemon/base/bytes.h"
#include "daemon/base/code_point.h"
#include "daemon/base/error.h"

namespace holdfast::policy {

std::string quote(std::string_view text) {
  if (!is_utf8(text)) throw Error(ErrorKind::invalid_request, "a value is not UTF-8");
  std::string quoted = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const std::uint32_t point = next_code_point(text, i);
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
