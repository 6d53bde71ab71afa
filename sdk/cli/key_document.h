// A key as the daemon describes it (sdk/API.md, `GET /v1/keys`).
#pragma once

#include <string>
#include <vector>

#include "daemon/base/json.h"

namespace holdfast::cli {

struct Version {
  std::string number, kid, state, created;
  std::string since;  // when it came into its state; empty where the daemon does not say
  bool disabled = false, lost = false;
  json::object certificate;  // empty where it has none
};

// Ascending; empty for a key whose files are damaged.
std::vector<Version> versions_of(const json::object& key);
// "2, 3"; empty where no version is in that state.
std::string numbers_in(const json::object& key, const std::string& state);
// A flag that is there and true.
bool is_set(const json::object& object, std::string_view name);

std::string key_path(const std::string& name);  // "/v1/keys/NAME"

}  // namespace holdfast::cli
