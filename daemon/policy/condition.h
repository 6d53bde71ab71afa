// What a value has to be: one of some patterns or ranges, and none of others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/base/caller.h"
#include "daemon/policy/network.h"
#include "daemon/policy/pattern.h"
#include "daemon/policy/template.h"
#include "daemon/policy/truth.h"

namespace holdfast::policy {

// A pattern that may have places for what the caller is.
class Wanted {
 public:
  explicit Wanted(Pattern pattern) : text_(pattern.text()), form_(std::move(pattern)) {}
  // Throws Error{invalid_request} for a bad brace.
  static Wanted with_places(std::string_view text, PatternKind kind);

  // `unknown` where a place can't be filled.
  Truth matches(std::string_view value, const Caller& caller) const;
  const std::string& text() const { return text_; }  // as it was written
  // Without star or place; `text` is without doubled braces then.
  const std::string* literal() const;
  bool has_places() const { return std::holds_alternative<Places>(form_); }
  std::vector<std::string> attributes() const;

 private:
  struct Places {
    Template text;
    PatternKind kind;
  };
  Wanted(std::string_view text, std::variant<Pattern, Places> form)
      : text_(text), form_(std::move(form)) {}

  std::string text_;
  std::variant<Pattern, Places> form_;
};

struct Range {
  std::int64_t low = INT64_MIN;
  std::int64_t high = INT64_MAX;

  bool contains(std::int64_t value) const { return value >= low && value <= high; }
  // `unknown` for what is no integer as JSON writes it: no sign but a minus, no leading zero.
  Truth contains(std::string_view value) const;
  std::string text() const;  // "at most 900", "from 1 to 900"
};

struct Condition {
  std::vector<Wanted> is;
  std::vector<Wanted> is_not;
  std::vector<Network> networks;
  std::optional<Range> range;

  Truth holds(std::string_view value, const Caller& caller) const {
    return both(names(value, caller), !leaves_out(value, caller));
  }
  // Its two halves: is it one of what is named (of anything, where nothing is), is it one of `not`?
  Truth names(std::string_view value, const Caller& caller) const;
  Truth leaves_out(std::string_view value, const Caller& caller) const;
  std::string text() const;  // bounded and escaped
};

// Is it one of the list, letter by letter?
bool lists(const std::vector<Wanted>& list, std::string_view text);

// A value in quotes, escaped and cut, for messages.
std::string shown(std::string_view value);

}  // namespace holdfast::policy
