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

}  // namespace

bool is_registered_claim(std::string_view name) noexcept {
  static constexpr std::array<std::string_view, 7> kRegistered{"iss", "sub", "aud", "exp",
                                                               "nbf", "iat", "jti"};
  return std::ranges::find(kRegistered, name) != kRegistered.end();
}

std::string fact_of_text(std::string_view text) {
  return is_json(text) ? json::serialize(json::string_view(text)) : std::string(text);
}

}  // namespace holdfast
