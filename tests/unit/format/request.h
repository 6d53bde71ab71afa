// What the tests of SigV4 share: a plain request to change, and a signer in software.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/format/sigv4.h"

namespace holdfast::format {

using Strings = std::vector<std::string>;

inline const SystemTime kNow = *from_rfc3339("2026-01-01T00:00:00Z");
inline const std::string kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// A GET of an S3 object with `changes` on top; a null takes a field away.
inline json::object s3_get(const json::object& changes = {}) {
  json::object body{{"key", "orders-aws"},
                    {"region", "eu-west-1"},
                    {"service", "s3"},
                    {"method", "GET"},
                    {"url", "https://bucket.s3.eu-west-1.amazonaws.com/a%20b.txt"}};
  for (const auto& [name, value] : changes)
    if (value.is_null())
      body.erase(name);
    else
      body[name] = value;
  return body;
}

// The same of a service that normalises and double-encodes.
inline json::object api_get(const json::object& changes = {}) {
  json::object body = s3_get(changes);
  if (body["service"] == "s3") body["service"] = "execute-api";
  return body;
}

inline Sigv4Request parse(const json::object& body) {
  return Sigv4Request::parse(body, kNow);
}

inline Strings values(const Sigv4Request& request, std::string_view name) {
  Strings found;
  for (const Fact& fact : request.facts().all())
    if (fact.name == name) found.push_back(fact.value);
  return found;
}

// "" if it is taken.
inline std::string complaint_of(const json::object& body) {
  try {
    parse(body);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail()
                                                      : "WRONG KIND: " + error.detail();
  }
}

inline json::array header(std::string_view name, std::string_view value) {
  return {name, value};
}

// What a device and the core make of it: the chain from "AWS4" + secret, then the string to sign.
inline std::string signature_of(const Sigv4ToSign& bytes, const std::string& secret) {
  Secret key(as_bytes("AWS4" + secret));
  for (const Bytes& link : bytes.derivation) key = hmac_sha256(key.view(), link);
  return to_hex(hmac_sha256(key.view(), as_bytes(bytes.string_to_sign)).view());
}

}  // namespace holdfast::format
