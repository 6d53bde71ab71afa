// A forced value (`set`) with places for what the caller is: "{unit}". What is filled in is a
// literal, never a pattern and never read as a template again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/caller.h"

namespace holdfast::policy {

class Template {
 public:
  // Throws Error{invalid_request} for a brace that does not enclose one of kTemplateAttributes.
  explicit Template(std::string_view text);

  std::string fill(const Caller& caller) const;
  // The attributes it names.
  std::vector<std::string> attributes() const;

 private:
  struct Part {
    bool attribute = false;
    std::string text;
  };
  std::vector<Part> parts_;
};

}  // namespace holdfast::policy
