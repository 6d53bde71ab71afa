#include "daemon/identity/label.h"

#include <algorithm>

#include <fmt/format.h>

namespace holdfast::identity {
namespace {

constexpr std::string_view kBefore = "holdfast-label-";
constexpr std::string_view kAfter = ".scope";
constexpr std::size_t kRandomDigits = 16;
constexpr std::size_t kMaxLabel = 63;

bool is_small(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLabel && is_small(text.front()) &&
         std::ranges::all_of(
             text, [](char c) { return is_small(c) || c == '.' || c == '_' || c == '-'; });
}

std::string label_scope(std::string_view label, std::uint64_t random) {
  return fmt::format("{}{}-{:0{}x}{}", kBefore, label, random, kRandomDigits, kAfter);
}

std::optional<std::string> label_of(std::string_view scope) {
  if (!scope.starts_with(kBefore) || !scope.ends_with(kAfter) ||
      scope.size() <= kBefore.size() + kAfter.size() + 1 + kRandomDigits)
    return std::nullopt;
  scope.remove_prefix(kBefore.size());
  scope.remove_suffix(kAfter.size());
  const std::string_view label = scope.substr(0, scope.size() - kRandomDigits - 1);
  const std::string_view random = scope.substr(label.size() + 1);
  if (scope[label.size()] != '-' || !is_label(label) ||
      random.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return std::nullopt;
  return std::string(label);
}

}  // namespace holdfast::identity
