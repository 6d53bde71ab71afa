// Which record a signature, a token or a digest has. Reads the whole log line by line; nothing is proved by it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/reader.h"

namespace holdfast::audit {

// What a text may mean in a record.
struct Sought {
  std::vector<std::string> digests;  // hex SHA-256, of a signature or of what was signed
  std::string jti;                   // empty: it can be none
};

// Of a signature or a digest in hex, base64 or base64url, an ECDSA signature raw or in DER, a JWT, an Authorization
// header or a presigned URL of AWS (their Signature=), a token's jti. Nothing in it: it can be none of these.
Sought read_sought(std::string_view text);

// Calls `found` with each record that fits, as read() gives them. Lines that are damaged are passed over.
// Throws Error{audit_unavailable} where there is no log in `folder`.
void find_records(const std::string& folder, const Sought& sought,
                  const std::function<void(const json::object&)>& found,
                  const Progress& progress = {});

}  // namespace holdfast::audit
