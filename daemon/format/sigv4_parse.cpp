#include <algorithm>
#include <array>

#include "daemon/format/sigv4.h"
#include "daemon/format/sigv4_action.h"
#include "daemon/format/sigv4_bucket.h"
#include "daemon/format/sigv4_path.h"
#include "daemon/format/sigv4_payload.h"
#include "daemon/format/sigv4_scope.h"
#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxKey = 63;
constexpr std::size_t kMaxUrl = 8192;

// S3 under each name it verifies signatures with: one way of encoding paths.
constexpr std::array<std::string_view, 4> kS3 = {"s3", "s3-object-lambda", "s3-outposts",
                                                 "s3express"};

std::string read_method(Fields& fields) {
  std::string method = fields.text("method", 32);
  if (method.empty() ||
      !std::ranges::all_of(method, [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; }))
    fields.fail("method", "has to be an HTTP method in capital letters");
  return method;
}

bool read_presigned(Fields& fields) {
  const std::string mode = fields.optional_text("mode", 16).value_or("header");
  if (mode != "header" && mode != "query") fields.fail("mode", "has to be header or query");
  return mode == "query";
}

std::int64_t read_expiry(Fields& fields, bool presigned) {
  const auto expiry = fields.optional_integer("expires_in", 1, kMaxSigv4Expiry);
  if (expiry && !presigned) fields.fail("expires_in", "is for mode query alone");
  if (!expiry && presigned) fields.fail("expires_in", "is required in mode query");
  return expiry.value_or(0);
}

void add_header_fact(const Fields& fields, const std::string& name, const std::string& value,
                     Facts& facts) {
  if (name != "x-amz-copy-source") return facts.add("header." + name, shown_value(name, value));
  const std::vector<std::string> sources = copy_sources(value);
  if (sources.empty()) fields.fail(name, "has to be percent-encoded UTF-8");
  for (const std::string& source : sources) facts.add("header." + name, source);
}

void add_query_facts(const Fields& fields, const std::vector<Parameter>& query, Facts& facts) {
  for (const Parameter& parameter : query) {
    const std::string name = lower(parameter.name);
    facts.add("query." + parameter.name, shown_value(name, parameter.value));
    // S3 reads a presigned URL's x-amz-acl or x-amz-copy-source as the header of that name.
    if (name.starts_with("x-amz-")) add_header_fact(fields, name, parameter.value, facts);
  }
}

void add_header_facts(const Fields& fields, const std::vector<Header>& headers, Facts& facts) {
  for (const Header& header : headers)
    if (header.name != "host") add_header_fact(fields, header.name, header.value, facts);
  // Repeated headers and one header with a comma are signed alike, so policy sees them as that too.
  const auto is_repeated = [&](const Header& header) {
    return std::ranges::count(headers, header.name, &Header::name) > 1;
  };
  if (std::ranges::none_of(headers, is_repeated)) return;
  for (const Header& header : canonical_headers(headers))
    if (is_repeated(header)) add_header_fact(fields, header.name, header.value, facts);
}

}  // namespace

Sigv4Request Sigv4Request::parse(const json::object& body, SystemTime now) {
  Fields fields(body);
  Sigv4Request request;
  request.key_ = fields.text("key", kMaxKey);
  request.regions_ = read_regions(fields);
  request.service_ = read_scope_part(fields, "service");
  request.method_ = read_method(fields);
  request.presigned_ = read_presigned(fields);
  request.expires_in_ = read_expiry(fields, request.presigned_);
  const SigningTime signing = read_signing_time(fields, now);
  request.time_ = to_iso8601_basic(signing.time);
  request.skew_ = signing.skew;
  request.session_token_ = read_session_token(fields);
  request.explain_ = fields.optional_bool("explain").value_or(false);

  const bool is_s3 = std::ranges::find(kS3, request.service_) != kS3.end();
  const bool sha_by_default = is_s3 && !request.presigned_;
  const bool normalize = fields.optional_bool("normalize_path").value_or(!is_s3);
  const bool double_encode = fields.optional_bool("double_encode").value_or(!is_s3);
  const bool with_sha = fields.optional_bool("content_sha256_header").value_or(sha_by_default);
  if (with_sha && request.presigned_)
    fields.fail("content_sha256_header",
                "is for mode header; in mode query put X-Amz-Content-Sha256 into `headers`");

  request.url_ = fields.text("url", kMaxUrl);
  const Url url = parse_url(request.url_, fields, "url");
  const CanonicalPath path = canonical_path(url.path, {normalize, double_encode, is_s3});
  request.path_ = path.canonical;
  request.query_ = parse_query(url.query, fields, "url");
  std::vector<Header> headers = read_headers(fields, url);
  const Payload payload = read_payload(fields, request.method_, is_s3 && request.presigned_);
  request.payload_hash_ = payload.hash;
  if (payload.has_signed_chunks && request.is_asymmetric())
    fields.fail("payload_sha256",
                "is of SigV4 with one region; STREAMING-UNSIGNED-PAYLOAD-TRAILER is of both");
  if (!request.presigned_) request.chunks_ = read_chunks_ahead(headers, payload, fields);
  fields.finish();

  const std::string host = lower(headers.front().value);
  request.facts_.add("service", request.service_);
  add_region_facts(request.regions_, request.facts_);
  request.facts_.add("method", request.method_);
  request.facts_.add("host", host);
  request.facts_.add("path", path.routed);
  if (path.ambiguous) request.facts_.add("encoded_path", "true");
  if (request.service_ == "s3" || request.service_ == "s3express")
    if (auto bucket = bucket_of(host, path.routed)) request.facts_.add("bucket", *bucket);
  add_query_facts(fields, request.query_, request.facts_);
  add_header_facts(fields, headers, request.facts_);
  if (!is_s3)
    if (auto action = action_of(headers, request.query_, payload))
      request.facts_.add("action", *action);
  request.facts_.add("payload", std::string(to_string(payload.kind)));
  request.facts_.add("mode", request.presigned_ ? "query" : "header");
  if (request.presigned_) request.facts_.add("expires_in", std::to_string(request.expires_in_));
  if (url.has_raw || normalize == is_s3 || double_encode == is_s3 || with_sha != sha_by_default)
    request.facts_.add("signing_options", "true");

  bool sha_given = false;
  for (const Header& header : headers) {
    if (header.name != "x-amz-content-sha256") continue;
    if (sha_given || header.value != payload.hash)
      fields.fail("headers", "x-amz-content-sha256 has to be given once and equal the payload's");
    sha_given = true;
  }
  if (!request.presigned_) {
    request.added_.push_back({"X-Amz-Date", request.time_});
    if (!request.session_token_.empty())
      request.added_.push_back({"X-Amz-Security-Token", request.session_token_});
    if (request.is_asymmetric())
      request.added_.push_back({std::string(kRegionSet), request.regions_.text});
    if (with_sha && !sha_given) request.added_.push_back({"X-Amz-Content-Sha256", payload.hash});
  }
  for (const Header& header : request.added_) headers.push_back({lower(header.name), header.value});
  request.signed_ = header_block(std::move(headers));
  return request;
}

}  // namespace holdfast::format
