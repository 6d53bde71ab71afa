// The JSON documents that describe us, as sdk/API.md gives them.
#pragma once

#include "daemon/base/json.h"
#include "daemon/service/service.h"

namespace holdfast {

json::object version_document();
// With the names of damaged keys or without: an application may not learn of keys that it has no
// grant for.
json::object health_document(const Service& service, bool names_keys);
json::object whoami_document(const Service& service, const Caller& caller);

// One entry of a key list; with `public_keys`, asymmetric versions show PEM and JWK.
json::object key_document(const Service& service, const Key& key, bool public_keys);

// Up to `limit` keys after the name `after`, of those that `shown` picks: {"keys":[…],"next"}.
json::object keys_document(const Service& service, std::size_t limit, std::string_view after,
                           const std::function<bool(const Key&)>& shown);

// A JWK Set (RFC 7517 §5) of the published versions of keys of use jwt that `shown` picks; of the one
// named `name`, unless that is empty.
json::object jwks_document(const Catalogue& catalogue, std::string_view name,
                           const std::function<bool(const Key&)>& shown);

// GET /v1/requests/{id}, from the record that audit::read gives.
json::object request_document(const std::string& request_id, const json::object& record);

}  // namespace holdfast
