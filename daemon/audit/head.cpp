#include "daemon/audit/head.h"

#include <charconv>

#include "daemon/audit/tree.h"
#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {
namespace {

constexpr std::string_view kOrigin = "holdfast/audit\n";

}  // namespace

std::string to_text(const LogState& state) {
  return std::string(kOrigin) + std::to_string(state.size) + "\n" + state.root + "\n";
}

std::optional<LogState> parse_head(std::string_view text) {
  if (!text.starts_with(kOrigin)) return std::nullopt;
  const std::string_view rest = text.substr(kOrigin.size());
  const std::size_t line = rest.find('\n');
  if (line == std::string_view::npos) return std::nullopt;
  LogState state;
  std::from_chars(rest.data(), rest.data() + line, state.size);
  std::string_view root = rest.substr(line + 1);
  if (root.empty()) return std::nullopt;
  root.remove_suffix(1);
  const auto hash = from_base64(root);
  if (!hash || hash->size() != sizeof(Sha256)) return std::nullopt;
  state.root = root;
  // One spelling for one state: no leading zero, no sign, no line more.
  if (to_text(state) != text) return std::nullopt;
  return state;
}

std::optional<LogState> read_head(const std::string& folder) {
  std::string text;
  try {
    text = read_file(folder + "/head", 4096);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return std::nullopt;
    throw Error(ErrorKind::audit_unavailable, error.detail(), error.where(), error.native_code());
  }
  const auto state = parse_head(text);
  if (!state)
    throw Error(
        ErrorKind::audit_unavailable,
        folder + "/head is damaged: it has to be the lines \"holdfast/audit\", size and root");
  return state;
}

}  // namespace holdfast::audit
