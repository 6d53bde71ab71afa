// The name of a log: the origin line of its checkpoints (https://c2sp.org/tlog-checkpoint) and its key's name.
#pragma once

#include <algorithm>
#include <string_view>

namespace holdfast {

// A schema-less URL as C2SP recommends: printable ASCII without spaces and plus, at most 255 bytes.
inline bool is_origin(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 255 &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f && c != '+'; });
}

}  // namespace holdfast
