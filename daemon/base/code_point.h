// Text, one code point at a time.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

// The code point at `at` of well-formed UTF-8 (RFC 3629 §3); `at` moves behind it.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) noexcept;

}  // namespace holdfast
