#include "daemon/audit/text.h"

#include <charconv>

#include "daemon/base/bytes.h"

namespace holdfast::audit {
namespace {

void append_unit(std::string& out, unsigned unit) {
  static constexpr char digits[] = "0123456789abcdef";
  const char text[] = {'\\',
                       'u',
                       digits[unit >> 12 & 15],
                       digits[unit >> 8 & 15],
                       digits[unit >> 4 & 15],
                       digits[unit & 15]};
  out.append(text, sizeof text);
}

// Appends the character at the front of `rest` and returns how many bytes it took.
std::size_t append_character(std::string& out, std::string_view rest) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(rest[at]); };
  if (byte(0) < 0x80) {
    append_unit(out, byte(0));
    return 1;
  }
  const std::size_t length = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (!is_utf8(rest.substr(0, length))) {
    append_unit(out, 0xFFFD);
    return 1;
  }
  unsigned point = byte(0) & (0xFFU >> (length + 1));
  for (std::size_t at = 1; at < length; ++at) point = point << 6 | (byte(at) & 0x3F);
  if (point < 0x10000) {
    append_unit(out, point);
  } else {
    append_unit(out, 0xD800 + ((point - 0x10000) >> 10));
    append_unit(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
  }
  return length;
}

}  // namespace

bool append_string(std::string& out, std::string_view value, std::size_t max_bytes) {
  const bool whole = value.size() <= max_bytes;
  if (!whole) value = value.substr(0, max_bytes);
  out.push_back('"');
  while (!value.empty()) {
    std::size_t plain = 0;
    while (plain < value.size() && value[plain] >= 0x20 && value[plain] < 0x7F &&
           value[plain] != '"' && value[plain] != '\\')
      ++plain;
    out.append(value.substr(0, plain));
    value.remove_prefix(plain);
    if (value.empty()) break;
    if (value[0] == '"' || value[0] == '\\') {
      out.push_back('\\');
      out.push_back(value[0]);
      value.remove_prefix(1);
    } else {
      value.remove_prefix(append_character(out, value));
    }
  }
  out.push_back('"');
  return whole;
}

void append_number(std::string& out, std::uint64_t value) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace holdfast::audit
