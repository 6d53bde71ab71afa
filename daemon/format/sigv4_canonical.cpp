#include "daemon/format/sigv4_canonical.h"

#include "daemon/base/openssl.h"

namespace holdfast::format {

HeaderBlock header_block(std::vector<Header> headers) {
  HeaderBlock block;
  for (const Header& header : canonical_headers(std::move(headers))) {
    block.lines.append(header.name).append(":").append(header.value).append("\n");
    if (!block.names.empty()) block.names.push_back(';');
    block.names.append(header.name);
  }
  return block;
}

std::string canonical_request(std::string_view method, std::string_view path,
                              std::string_view query, const HeaderBlock& headers,
                              std::string_view payload_hash) {
  std::string text;
  text.append(method).append("\n").append(path).append("\n").append(query).append("\n");
  text.append(headers.lines).append("\n").append(headers.names).append("\n");
  return text.append(payload_hash);
}

std::string string_to_sign(std::string_view algorithm, std::string_view time,
                           std::string_view scope, std::string_view canonical_request) {
  std::string text;
  text.append(algorithm).append("\n").append(time).append("\n").append(scope).append("\n");
  return text.append(sha256_hex(canonical_request));
}

std::string authorization(std::string_view algorithm, std::string_view credential,
                          std::string_view signed_headers, std::string_view signature_hex) {
  std::string text(algorithm);
  text.append(" Credential=").append(credential);
  text.append(", SignedHeaders=").append(signed_headers);
  return text.append(", Signature=").append(signature_hex);
}

}  // namespace holdfast::format
