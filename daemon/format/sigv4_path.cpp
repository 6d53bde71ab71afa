#include "daemon/format/sigv4_path.h"

#include <algorithm>

#include "daemon/base/bytes.h"
#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// RFC 3986 §5.2.4, and runs of slashes collapse; a slash at the end stays only if the path was
// written with one, so "/a/b/.." is "/a" (so do AWS's own signers).
std::string normalized(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view segment : segments_of(path)) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..")
      kept.push_back(segment);
    else if (!kept.empty())
      kept.pop_back();
  }
  std::string result;
  for (const std::string_view segment : kept) result.append("/").append(segment);
  if (kept.empty() || path.ends_with('/')) result.push_back('/');
  return result;
}

bool has_odd_escape(std::string_view path) {
  for (std::size_t i = path.find('%'); i != std::string_view::npos; i = path.find('%', i + 3)) {
    const char c = percent_decode(path.substr(i, 3))->front();
    if (c == '/' || c == '\\' || c == '\0' || is_unreserved(c)) return true;
  }
  return false;
}

bool has_odd_segment(std::string_view path) {
  const auto segments = segments_of(path.substr(1));
  for (std::size_t i = 0; i < segments.size(); ++i)
    if ((segments[i].empty() && i + 1 < segments.size()) || segments[i] == "." ||
        segments[i] == "..")
      return true;
  return false;
}

std::string with_raw_encoded(std::string_view path) {
  std::string result;
  for (const char c : path)
    if (is_raw(c))
      result.append(percent_encode({&c, 1}));
    else
      result.push_back(c);
  return result;
}

}  // namespace

CanonicalPath canonical_path(std::string_view wire, PathRules rules) {
  if (wire.empty()) wire = "/";
  const std::string path = rules.normalize ? normalized(wire) : std::string(wire);
  CanonicalPath result;
  result.canonical = rules.double_encode ? percent_encode(path, true) : with_raw_encoded(path);
  result.routed = *percent_decode(path);
  result.ambiguous = has_odd_escape(wire) || (!rules.normalize && has_odd_segment(wire)) ||
                     (rules.plus_is_space && wire.find('+') != std::string_view::npos);
  return result;
}

std::vector<std::string> copy_sources(std::string_view value) {
  std::vector<std::string> all{(value.starts_with('/') ? "" : "/") + std::string(value)};
  const std::string object = all.front().substr(0, all.front().find('?'));
  std::string spaced = object;
  std::ranges::replace(spaced, '+', ' ');
  for (const std::string& text : {object, spaced}) {
    auto decoded = percent_decode(text);
    if (!decoded || !is_utf8(*decoded)) return {};
    if (std::ranges::find(all, *decoded) == all.end()) all.push_back(std::move(*decoded));
  }
  return all;
}

}  // namespace holdfast::format
