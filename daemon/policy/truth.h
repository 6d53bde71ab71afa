// What can be said of a condition. An allow needs `yes`; a deny takes effect unless it is `no`: what
// can't be known never opens anything.
#pragma once

#include <cstdint>

namespace holdfast::policy {

enum class Truth : std::uint8_t { no, unknown, yes };

constexpr Truth truth(bool value) {
  return value ? Truth::yes : Truth::no;
}
constexpr Truth operator!(Truth a) {
  return a == Truth::unknown ? a : truth(a == Truth::no);
}
constexpr Truth either(Truth a, Truth b) {
  return a > b ? a : b;
}
constexpr Truth both(Truth a, Truth b) {
  return a < b ? a : b;
}

}  // namespace holdfast::policy
