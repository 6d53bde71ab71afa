#include "daemon/format/sigv4_action.h"

#include <algorithm>
#include <array>

#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr std::string_view kUnknown = "unknown";
constexpr std::array<std::string_view, 4> kNoForm = {"application/cbor", "application/json",
                                                     "application/x-amz-json-1.0",
                                                     "application/x-amz-json-1.1"};

struct Finding {
  std::vector<std::string> actions;
  bool doubt = false;

  void add(std::string action) {
    const bool plain =
        !action.empty() && is_utf8(action) && std::ranges::none_of(action, [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == '\x7f';
        });
    doubt |= !plain;
    actions.push_back(std::move(action));
  }
};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Takes in a parameter: Action in any case is the action, or in doubt if something stands around it
// (a byte order mark, a blank, a quote) that a reader may drop.
void consider(std::string_view name, std::optional<std::string> value, Finding& finding) {
  std::string_view core = name;
  while (!core.empty() && !is_letter(core.front())) core.remove_prefix(1);
  while (!core.empty() && !is_letter(core.back())) core.remove_suffix(1);
  if (!equal_ignoring_case(core, "action")) return;
  if (core.size() == name.size() && value)
    finding.add(std::move(*value));
  else
    finding.doubt = true;
}

// As application/x-www-form-urlencoded has it (URL Standard §5.1): "+" is a space.
std::optional<std::string> form_decode(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  return percent_decode(spaced);
}

Finding read_form(std::string_view body) {
  Finding finding;
  for (std::size_t start = 0; start <= body.size();) {
    const std::size_t end = std::min(body.find('&', start), body.size());
    const std::string_view pair = body.substr(start, end - start);
    start = end + 1;
    // Some readers split at ";" too: what they would find there is in doubt.
    for (std::size_t at = 0; at < pair.size();) {
      const std::size_t stop = std::min(pair.find(';', at), pair.size());
      const std::string_view piece = pair.substr(at, stop - at);
      const std::string_view raw_name = piece.substr(0, piece.find('='));
      const std::string name = form_decode(raw_name).value_or(std::string(raw_name));
      if (at == 0 && stop == pair.size() && raw_name.size() < piece.size())
        consider(name, form_decode(piece.substr(raw_name.size() + 1)), finding);
      else
        consider(name, std::nullopt, finding);
      at = stop + 1;
    }
  }
  return finding;
}

bool body_may_be_form(const std::vector<Header>& headers) {
  const auto is_type = [](const Header& header) { return header.name == "content-type"; };
  if (std::ranges::count_if(headers, is_type) != 1) return true;
  const std::string& type = std::ranges::find_if(headers, is_type)->value;
  std::string media = lower(std::string_view(type).substr(0, type.find(';')));
  while (media.ends_with(' ')) media.pop_back();
  return std::ranges::find(kNoForm, media) == kNoForm.end();
}

}  // namespace

std::optional<std::string> action_of(const std::vector<Header>& headers,
                                     const std::vector<Parameter>& query, const Payload& payload) {
  Finding header, parameter, form;
  for (const Header& entry : headers)
    if (entry.name == "x-amz-target") header.add(entry.value);
  for (const Parameter& entry : query) {
    consider(entry.name, entry.value, parameter);
    parameter.doubt |= equal_ignoring_case(entry.name, "x-amz-target");
  }
  if (body_may_be_form(headers)) {
    if (payload.seen)
      form = read_form(as_text(payload.body));
    else
      form.doubt = true;
  }

  std::optional<std::string> action;
  for (const Finding* finding : {&header, &parameter, &form}) {
    if (finding->doubt || finding->actions.size() > 1) return std::string(kUnknown);
    if (finding->actions.empty()) continue;
    if (action && *action != finding->actions.front()) return std::string(kUnknown);
    action = finding->actions.front();
  }
  return action;
}

}  // namespace holdfast::format
