#include "daemon/base/facts.h"

#include <algorithm>
#include <array>

#include "daemon/base/error.h"
#include "daemon/base/json.h"

namespace holdfast {
namespace {

bool is_json(std::string_view text) {
  if (text.find_first_of("-0123456789tfn\"[{ \t\r\n") != 0) return false;
  try {
    parse_json(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// As Go's encoding/json compares names (ASCII letters, U+017F, which folds to s, and U+212A, to k), up to
// a NUL.
std::string folded(std::string_view name) {
  constexpr std::string_view kLongS = "\xC5\xBF", kKelvin = "\xE2\x84\xAA";
  std::string text;
  name = name.substr(0, name.find('\0'));
  while (!name.empty()) {
    const bool long_s = name.starts_with(kLongS), kelvin = name.starts_with(kKelvin);
    const char c = long_s ? 's' : kelvin ? 'k' : name.front();
    text.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    name.remove_prefix(long_s ? kLongS.size() : kelvin ? kKelvin.size() : 1);
  }
  return text;
}

}  // namespace

bool is_registered_claim(std::string_view name) {
  static constexpr std::array<std::string_view, 7> kRegistered{"iss", "sub", "aud", "exp",
                                                               "nbf", "iat", "jti"};
  return std::ranges::find(kRegistered, folded(name)) != kRegistered.end();
}

bool reads_alike(std::string_view one, std::string_view other) {
  return folded(one) == folded(other);
}

std::string fact_of_text(std::string_view text) {
  return is_json(text) ? json::serialize(json::string_view(text)) : std::string(text);
}

}  // namespace holdfast
