// Bytes and their text forms. Decoders are strict: one spelling for one value, or nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(ByteView bytes);                    // lower case
std::optional<Bytes> from_hex(std::string_view text);  // either case

std::string to_base64(ByteView bytes);  // RFC 4648 §4, padded, one line
std::optional<Bytes> from_base64(
    std::string_view text);  // padding required, no white space, no stray bits

std::string to_base64url(ByteView bytes);  // RFC 4648 §5, without padding

// Well-formed UTF-8 (RFC 3629): no overlong form, no surrogate, at most U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

}  // namespace holdfast
