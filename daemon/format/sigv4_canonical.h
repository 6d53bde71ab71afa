// What AWS's signatures are made over, whatever the algorithm: canonical request and string to sign.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/format/sigv4_headers.h"

namespace holdfast::format {

struct HeaderBlock {
  std::string lines;  // "host:…\n…\n"
  std::string names;  // "host;range"
};

HeaderBlock header_block(std::vector<Header> headers);

// `path` and `query` in their canonical forms.
std::string canonical_request(std::string_view method, std::string_view path,
                              std::string_view query, const HeaderBlock& headers,
                              std::string_view payload_hash);

std::string string_to_sign(std::string_view algorithm, std::string_view time,
                           std::string_view scope, std::string_view canonical_request);

// The value of the header Authorization.
std::string authorization(std::string_view algorithm, std::string_view credential,
                          std::string_view signed_headers, std::string_view signature_hex);

}  // namespace holdfast::format
