// A text with places for what the caller is: "{unit}". What is filled in is a literal, never a
// pattern and never read as a template again. A brace itself is written twice.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/caller.h"

namespace holdfast::policy {

struct Piece {
  bool filled_in = false;  // from the caller: a literal
  std::string text;
};

class Template {
 public:
  // Throws Error{invalid_request} for a single brace that does not enclose one of
  // kTemplateAttributes.
  explicit Template(std::string_view text);

  std::string fill(const Caller& caller) const;
  // nullopt where an attribute is not known.
  std::optional<std::vector<Piece>> pieces(const Caller& caller) const;
  // The attributes it names.
  std::vector<std::string> attributes() const;

 private:
  std::vector<Piece> parts_;  // of a place: the attribute's name
};

}  // namespace holdfast::policy
