#include "sdk/cli/key_document.h"

#include "sdk/cli/output.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {

std::vector<Version> versions_of(const json::object& key) {
  std::vector<Version> out;
  const json::value* list = key.if_contains("versions");
  if (!list || !list->is_array()) return out;
  for (const json::value& entry : list->get_array()) {
    if (!entry.is_object()) continue;
    const json::object& version = entry.get_object();
    const std::string since = version.contains("since") ? field(version, "since") : "";
    const json::value* certificate = version.if_contains("certificate");
    out.push_back(
        {field(version, "version"), field(version, "kid"), field(version, "state"),
         field(version, "created"), since, is_set(version, "disabled"), is_set(version, "lost"),
         certificate && certificate->is_object() ? certificate->get_object() : json::object()});
  }
  return out;
}

std::string numbers_in(const json::object& key, const std::string& state) {
  std::string out;
  for (const Version& version : versions_of(key))
    if (version.state == state) out += (out.empty() ? "" : ", ") + version.number;
  return out;
}

bool is_set(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value && value->is_bool() && value->get_bool();
}

std::string key_path(const std::string& name) {
  return "/v1/keys/" + encode_component(name);
}

}  // namespace holdfast::cli
