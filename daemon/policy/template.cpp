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
  std::string plain;
  const auto end_plain = [&] {
    if (!plain.empty()) parts_.push_back({false, std::move(plain)});
    plain.clear();
  };
  while (!text.empty()) {
    const std::size_t brace = std::min(text.find_first_of("{}"), text.size());
    plain.append(text.substr(0, brace));
    text.remove_prefix(brace);
    if (text.empty()) break;
    if (text.starts_with("{{") || text.starts_with("}}")) {
      plain.push_back(text.front());
      text.remove_prefix(2);
      continue;
    }
    const std::size_t end = text.find('}');
    const std::string_view name =
        text.front() == '{' && end != std::string_view::npos ? text.substr(1, end - 1) : "";
    if (std::ranges::find(kTemplateAttributes, name) == kTemplateAttributes.end())
      throw Error(ErrorKind::invalid_request, "may have braces only as" + attributes_in_braces() +
                                                  "; a brace itself is written twice");
    end_plain();
    parts_.push_back({true, std::string(name)});
    text.remove_prefix(end + 1);
  }
  end_plain();
}

std::string Template::fill(const Caller& caller) const {
  std::string text;
  for (const Piece& part : parts_) text += part.filled_in ? caller.attribute(part.text) : part.text;
  return text;
}

std::optional<std::vector<Piece>> Template::pieces(const Caller& caller) const {
  std::vector<Piece> filled = parts_;
  for (Piece& piece : filled) {
    if (!piece.filled_in) continue;
    piece.text = caller.attribute(piece.text);
    if (piece.text.empty()) return std::nullopt;
  }
  return filled;
}

std::vector<std::string> Template::attributes() const {
  std::vector<std::string> names;
  for (const Piece& part : parts_)
    if (part.filled_in) names.push_back(part.text);
  return names;
}

}  // namespace holdfast::policy
