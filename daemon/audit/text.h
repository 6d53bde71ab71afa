// JSON text with one spelling for each value: ASCII only, no white space, so that a line can be
// hashed and nothing in it can end it, move a cursor or fail to decode (threat row 12).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::audit {

// Appends `value` as a JSON string: controls, DEL and everything beyond ASCII as \u escapes, bytes
// that are not UTF-8 as U+FFFD each. Returns false if it was longer than max_bytes and so was cut.
bool append_string(std::string& out, std::string_view value, std::size_t max_bytes);

void append_number(std::string& out, std::uint64_t value);

}  // namespace holdfast::audit
