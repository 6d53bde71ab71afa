// What a request does where the path doesn't show it: X-Amz-Target, or the Query protocol's Action.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/format/sigv4_headers.h"
#include "daemon/format/sigv4_payload.h"
#include "daemon/format/sigv4_query.h"

namespace holdfast::format {

// The action; "unknown" where it is in doubt; nullopt where there certainly is none.
//
// Sources are X-Amz-Target, Action in the query, and Action in the body read as a form, whatever
// its Content-Type says: the service decides how it reads a body. Only a signed Content-Type of
// JSON or CBOR settles that the body is no form, seen or not. In doubt: a body that may be a form
// and is not seen; sources that differ; a source that speaks twice, also in another case
// ("action"); a value that is empty, malformed or holds a control character; X-Amz-Target as a
// query parameter.
//
// `headers` are those that are signed.
std::optional<std::string> action_of(const std::vector<Header>& headers,
                                     const std::vector<Parameter>& query, const Payload& payload);

}  // namespace holdfast::format
