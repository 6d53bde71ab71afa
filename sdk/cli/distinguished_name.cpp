#include "sdk/cli/distinguished_name.h"

#include <algorithm>
#include <vector>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

[[noreturn]] void refuse(std::string_view text) {
  throw Failure(Exit::usage, "no subject: " + std::string(text),
                "write --subject CN=orders,O=Example");
}

struct Attribute {
  std::string type, value;
};

Attribute read_attribute(std::string_view all, std::string_view& rest) {
  Attribute attribute;
  const std::size_t mark = rest.find('=');
  if (mark == std::string_view::npos || mark == 0) refuse(all);
  attribute.type = rest.substr(0, mark);
  if (attribute.type.find_first_of(", +\\\"") != std::string::npos) refuse(all);
  rest.remove_prefix(mark + 1);
  while (!rest.empty() && rest.front() != ',') {
    if (rest.front() == '\\') rest.remove_prefix(1);
    if (rest.empty()) refuse(all);
    attribute.value.push_back(rest.front());
    rest.remove_prefix(1);
  }
  if (attribute.value.empty()) refuse(all);
  return attribute;
}

}  // namespace

json::array read_subject(std::string_view text) {
  std::vector<Attribute> attributes;
  for (std::string_view rest = text;;) {
    attributes.push_back(read_attribute(text, rest));
    if (rest.empty()) break;
    rest.remove_prefix(1);  // the comma
  }
  json::array subject;
  for (auto at = attributes.rbegin(); at != attributes.rend(); ++at)
    subject.push_back(json::array{at->type, at->value});
  return subject;
}

}  // namespace holdfast::cli
