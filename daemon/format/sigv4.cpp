#include "daemon/format/sigv4.h"

#include <algorithm>

#include "daemon/format/uri.h"

namespace holdfast::format {

std::string_view Sigv4Request::algorithm() const {
  return is_asymmetric() ? "AWS4-ECDSA-P256-SHA256" : "AWS4-HMAC-SHA256";
}

std::vector<Parameter> Sigv4Request::presigning(const std::string& credential) const {
  std::vector<Parameter> parameters{{"X-Amz-Algorithm", std::string(algorithm())},
                                    {"X-Amz-Credential", credential},
                                    {"X-Amz-Date", time_},
                                    {"X-Amz-Expires", std::to_string(expires_in_)},
                                    {"X-Amz-SignedHeaders", signed_.names}};
  if (is_asymmetric()) parameters.push_back({std::string(kRegionSet), regions_.text});
  if (!session_token_.empty()) parameters.push_back({"X-Amz-Security-Token", session_token_});
  return parameters;
}

Sigv4Bytes Sigv4Request::bytes(const std::string& access_key_id) const {
  Sigv4Bytes bytes{sigv4_scope(time_, is_asymmetric() ? std::string_view() : regions_.text,
                               service_, access_key_id),
                   {}};
  std::vector<Parameter> query = query_;
  if (presigned_)
    for (Parameter& parameter : presigning(bytes.credential)) query.push_back(std::move(parameter));
  bytes.canonical_request =
      canonical_request(method_, path_, canonical_query(query), signed_, payload_hash_);
  bytes.string_to_sign = string_to_sign(algorithm(), time_, bytes.scope, bytes.canonical_request);
  return bytes;
}

json::object Sigv4Request::reply(const Sigv4Bytes& bytes, const std::string& signature_hex) const {
  json::array headers;
  std::string url = url_;
  if (presigned_) {
    // A url without a path is sent with one.
    const std::size_t path = std::min(url.find_first_of("/?", url.find("//") + 2), url.size());
    if (path == url.size() || url[path] == '?') url.insert(path, 1, '/');
    const std::size_t question = url.find('?');
    if (question == std::string::npos)
      url.push_back('?');
    else if (question + 1 < url.size())
      url.push_back('&');
    for (const Parameter& parameter : presigning(bytes.credential)) {
      url.append(parameter.name).append("=").append(percent_encode(parameter.value)).append("&");
    }
    url.append("X-Amz-Signature=").append(signature_hex);
  } else {
    headers.push_back(json::array{"Authorization", authorization(algorithm(), bytes.credential,
                                                                 signed_.names, signature_hex)});
    for (const Header& header : added_) headers.push_back(json::array{header.name, header.value});
  }
  json::object reply{{"headers", std::move(headers)},
                     {"url", url},
                     {"signature", signature_hex},
                     {"signed_headers", signed_.names}};
  if (explain_) {
    reply["canonical_request"] = bytes.canonical_request;
    reply["string_to_sign"] = bytes.string_to_sign;
  }
  return reply;
}

}  // namespace holdfast::format
