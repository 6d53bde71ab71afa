#include "daemon/format/roles_anywhere.h"

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr std::string_view kMethod = "POST";
constexpr std::string_view kPath = "/sessions";

std::string_view name_of(Algorithm algorithm) {
  if (algorithm == Algorithm::es256) return "AWS4-X509-ECDSA-SHA256";
  if (algorithm == Algorithm::rs256) return "AWS4-X509-RSA-SHA256";
  throw Error(ErrorKind::unsupported,
              "IAM Roles Anywhere takes no signature by " + std::string(to_string(algorithm)));
}

}  // namespace

RolesAnywhereBytes RolesAnywhereRequest::bytes(const CertificateHolder& holder) const {
  RolesAnywhereBytes bytes;
  bytes.algorithm = name_of(holder.algorithm);
  const std::string scope = time_.substr(0, 8) + "/" + region_ + "/rolesanywhere/aws4_request";
  bytes.credential = holder.serial + "/" + scope;
  bytes.headers = {{"Content-Type", "application/json"},
                   {"X-Amz-Date", time_},
                   {"X-Amz-X509", to_base64(holder.chain.at(0))}};
  std::string rest;
  for (std::size_t i = 1; i < holder.chain.size(); ++i)
    rest.append(rest.empty() ? "" : ",").append(to_base64(holder.chain[i]));
  if (!rest.empty()) bytes.headers.push_back({"X-Amz-X509-Chain", std::move(rest)});

  std::vector<Header> headers{{"host", host_}};
  for (const Header& header : bytes.headers) headers.push_back({lower(header.name), header.value});
  const HeaderBlock block = header_block(std::move(headers));
  bytes.signed_headers = block.names;
  bytes.canonical_request = canonical_request(kMethod, kPath, query_, block, sha256_hex(body_));
  bytes.string_to_sign = string_to_sign(bytes.algorithm, time_, scope, bytes.canonical_request);
  return bytes;
}

json::object RolesAnywhereRequest::reply(const RolesAnywhereBytes& bytes,
                                         ByteView signature) const {
  const std::string hex = to_hex(signature);
  // A list of one list in braces is that list itself to some compilers (CWG 2137).
  json::array headers;
  headers.push_back(json::array{"Authorization", authorization(bytes.algorithm, bytes.credential,
                                                               bytes.signed_headers, hex)});
  for (const Header& header : bytes.headers)
    headers.push_back(json::array{header.name, header.value});
  std::string url = base_;
  url.append(kPath).append("?").append(query_);
  json::object reply{
      {"method", kMethod}, {"url", std::move(url)}, {"headers", std::move(headers)},
      {"body", body_},     {"signature", hex},      {"signed_headers", bytes.signed_headers}};
  if (explain_) {
    reply["canonical_request"] = bytes.canonical_request;
    reply["string_to_sign"] = bytes.string_to_sign;
  }
  return reply;
}

}  // namespace holdfast::format
