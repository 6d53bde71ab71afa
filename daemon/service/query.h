// A path's query, as strict as a body: known names, each once, no empty pairs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace holdfast {

class Query {
 public:
  // Throws Error{invalid_request} that names an unknown or repeated name. Values are taken as sent:
  // none of ours needs percent-encoding.
  Query(std::string_view text, std::initializer_list<std::string_view> known);

  std::string text(const std::string& name) const;  // empty if absent
  // Throws Error{invalid_request} unless it is digits within the bounds.
  std::int64_t number(const std::string& name, std::int64_t low, std::int64_t high,
                      std::int64_t otherwise) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace holdfast
