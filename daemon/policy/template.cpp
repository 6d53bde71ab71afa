#include "daemon/policy/template.h"

#include <algorithm>

#include "daemon/base/error.h"

namespace holdfast::policy {
namespace {

std::string attributes_in_braces() {
  std::string text;
  for (const std::string_view name : kTemplateAttributes)
    text.append(" {").append(name).append("}");
  return text;
}

}  // namespace

Template::Template(std::string_view text) {
  while (!text.empty()) {
    const std::size_t brace = std::min(text.find_first_of("{}"), text.size());
    if (brace > 0) parts_.push_back({false, std::string(text.substr(0, brace))});
    text.remove_prefix(brace);
    if (text.empty()) break;
    const std::size_t end = text.find('}');
    const std::string_view name =
        text.front() == '{' && end != std::string_view::npos ? text.substr(1, end - 1) : "";
    if (std::ranges::find(kTemplateAttributes, name) == kTemplateAttributes.end())
      throw Error(ErrorKind::invalid_request, "may have braces only as" + attributes_in_braces());
    parts_.push_back({true, std::string(name)});
    text.remove_prefix(end + 1);
  }
}

std::string Template::fill(const Caller& caller) const {
  std::string text;
  for (const Part& part : parts_) text += part.attribute ? caller.attribute(part.text) : part.text;
  return text;
}

std::vector<std::string> Template::attributes() const {
  std::vector<std::string> names;
  for (const Part& part : parts_)
    if (part.attribute) names.push_back(part.text);
  return names;
}

}  // namespace holdfast::policy
