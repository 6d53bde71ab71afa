#include "daemon/format/sigv4_scope.h"

#include <algorithm>

namespace holdfast::format {

using namespace std::chrono;

std::string read_scope_part(Fields& fields, std::string_view name) {
  std::string text = fields.text(name, 64);
  if (text.empty() || !std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
      }))
    fields.fail(name, "has to be 1 to 64 of a-z, 0-9 and -");
  return text;
}

SigningTime read_signing_time(Fields& fields, SystemTime now) {
  SystemTime time = floor<seconds>(now);
  if (const auto text = fields.optional_text("time", 32)) {
    const auto given = from_rfc3339(*text);
    if (!given || *given < SystemTime{})
      fields.fail("time", "has to be UTC from 1970 to 2261, as 2026-01-01T00:00:00Z");
    time = *given;
  }
  return {time, abs(duration_cast<seconds>(time - floor<seconds>(now)))};
}

}  // namespace holdfast::format
