#include "daemon/policy/condition.h"

#include <algorithm>
#include <charconv>

#include "daemon/base/log.h"

namespace holdfast::policy {
namespace {

// "a" or "b" or …
template <class List>
std::string alternatives(const List& list) {
  constexpr std::size_t kShown = 4;
  std::string text;
  for (std::size_t i = 0; i < list.size() && i < kShown; ++i)
    text.append(i == 0 ? "" : " or ").append(shown(list[i].text()));
  return list.size() > kShown ? text + " or …" : text;
}

Truth any(const std::vector<Wanted>& list, std::string_view value, const Caller& caller) {
  Truth found = Truth::no;
  for (const Wanted& wanted : list) {
    found = either(found, wanted.matches(value, caller));
    if (found == Truth::yes) break;
  }
  return found;
}

}  // namespace

std::string shown(std::string_view value) {
  constexpr std::size_t kShownBytes = 200;
  const std::string text = log::escape(value.substr(0, kShownBytes));
  const std::string more = value.size() > kShownBytes ? "…" : "";
  return (text.starts_with('"') ? text : "\"" + text + "\"") + more;
}

Wanted Wanted::with_places(std::string_view text, PatternKind kind) {
  if (text.find_first_of("{}") == std::string_view::npos) return Wanted(Pattern(text, kind));
  Template places(text);
  if (!places.attributes().empty()) return {text, Places{std::move(places), kind}};
  return {text, Pattern(places.fill({}), kind)};
}

Truth Wanted::matches(std::string_view value, const Caller& caller) const {
  if (const auto* pattern = std::get_if<Pattern>(&form_)) return truth(pattern->matches(value));
  const auto& places = std::get<Places>(form_);
  const auto pieces = places.text.pieces(caller);
  if (!pieces) return Truth::unknown;
  std::size_t bytes = 0;
  for (const Piece& piece : *pieces) bytes += piece.text.size();
  if (bytes > kMaxPatternBytes) return Truth::unknown;
  return truth(Pattern(*pieces, places.kind).matches(value));
}

const std::string* Wanted::literal() const {
  const auto* pattern = std::get_if<Pattern>(&form_);
  return pattern != nullptr && pattern->is_literal() ? &pattern->text() : nullptr;
}

std::vector<std::string> Wanted::attributes() const {
  const auto* places = std::get_if<Places>(&form_);
  return places == nullptr ? std::vector<std::string>() : places->text.attributes();
}

Truth Range::contains(std::string_view text) const {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, code] = std::from_chars(text.data(), end, value);
  // RFC 8259 §6
  if (code != std::errc() || at != end || std::to_string(value) != text) return Truth::unknown;
  return truth(contains(value));
}

std::string Range::text() const {
  if (low == INT64_MIN) return "at most " + std::to_string(high);
  if (high == INT64_MAX) return "at least " + std::to_string(low);
  return "from " + std::to_string(low) + " to " + std::to_string(high);
}

Truth Condition::names(std::string_view value, const Caller& caller) const {
  Truth found = truth(is.empty() && networks.empty() && !range);
  if (found == Truth::no) found = any(is, value, caller);
  for (const Network& network : networks) found = either(found, network.contains(value));
  if (range) found = either(found, range->contains(value));
  return found;
}

Truth Condition::leaves_out(std::string_view value, const Caller& caller) const {
  return any(is_not, value, caller);
}

std::string Condition::text() const {
  std::string text = alternatives(is);
  const auto add = [&](const char* word, const std::string& more) {
    text.append(text.empty() ? "" : word).append(more);
  };
  if (!networks.empty()) add(" or ", "an address of " + alternatives(networks));
  if (range) add(" or ", range->text());
  if (!is_not.empty()) add(", ", "not " + alternatives(is_not));
  return text.empty() ? "any value" : text;
}

bool lists(const std::vector<Wanted>& list, std::string_view text) {
  return std::ranges::any_of(list, [&](const Wanted& wanted) {
    const std::string* literal = wanted.literal();
    return literal != nullptr && *literal == text;
  });
}

}  // namespace holdfast::policy
