// The grant that a refused request would have needed, for `holdfast policy suggest`.
#pragma once

#include <string>

#include "daemon/base/json.h"

namespace holdfast::policy {

// `request` is the object of GET /v1/requests/{request_id} (sdk/API.md). Returns ASCII TOML, one
// [[grant]] with comments, that Policy::load takes and that allows this very request, as narrowly
// as is sound; everything that came from the caller is escaped. Throws Error{conflict} where no
// grant was missing, Error{invalid_request} where the object is not of that form.
std::string suggest(const json::object& request);

}  // namespace holdfast::policy
