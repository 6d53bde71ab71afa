#include <algorithm>

#include "daemon/format/s3_post.h"
#include "daemon/format/sigv4_bucket.h"
#include "daemon/format/sigv4_path.h"
#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxKey = 63;
constexpr std::size_t kMaxUrl = 8192;
constexpr std::size_t kMaxObject = 1024;            // S3's own
constexpr std::int64_t kMaxLength = 5'368'709'120;  // 5 GiB, S3's own for one upload
constexpr std::size_t kMaxForm = 20 * 1024;         // S3's own, without the file
constexpr std::size_t kMaxAccessKeyId = 128;

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
std::string read_bucket(Fields& fields) {
  std::string bucket = fields.text("bucket", 63);
  const auto is_end = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (bucket.size() < 3 || !is_end(bucket.front()) || !is_end(bucket.back()) ||
      !std::ranges::all_of(bucket, [&](char c) { return is_end(c) || c == '-' || c == '.'; }))
    fields.fail("bucket", "has to be 3 to 63 of a-z, 0-9, - and ., with no mark at its ends");
  return bucket;
}

std::string read_url(Fields& fields, const std::string& bucket, const std::string& region) {
  auto given = fields.optional_text("url", kMaxUrl);
  if (!given) return bucket_url(bucket, region);
  const Url url = parse_url(*given, fields, "url");
  if (url.has_query || url.has_raw)
    fields.fail("url", "has to be the bucket's, without a query and percent-encoded");
  const std::string path = url.path.empty() ? "/" : *percent_decode(url.path);
  if (bucket_of(lower(url.host), path).value_or(bucket) != bucket)
    fields.fail("url", "is another bucket's");
  return *std::move(given);
}

struct Object {
  std::string name;  // or its beginning
  bool exact = true;
};

Object read_object(Fields& fields) {
  const auto exact = fields.optional_text("object", kMaxObject);
  const auto prefix = fields.optional_text("object_prefix", kMaxObject);
  if (exact && prefix) fields.fail("object_prefix", "can't stand beside object");
  if (!exact && !prefix) fields.fail("object", "is required, or object_prefix");
  const std::string_view field = exact ? "object" : "object_prefix";
  Object object{exact ? *exact : *prefix, exact.has_value()};
  if (exact && exact->empty()) fields.fail(field, "is empty");
  if (holds_control(object.name)) fields.fail(field, "has a control character");
  if (holds_filename(object.name))
    fields.fail(field, exact ? "has ${filename}, which S3 would replace: use object_prefix"
                             : "has ${filename}, which comes behind it by itself");
  return object;
}

// [least, most] as the condition has it; empty where it is left out.
std::string read_length_range(Fields& fields, Facts& facts) {
  const json::value* given = fields.optional_value("content_length_range");
  if (given == nullptr) return {};
  const auto bound = [&](std::size_t index) {
    const json::value& value = given->get_array()[index];
    return value.is_int64() ? value.get_int64() : -1;
  };
  if (!given->is_array() || given->get_array().size() != 2 || bound(0) < 0 || bound(0) > bound(1) ||
      bound(1) > kMaxLength)
    fields.fail("content_length_range", "has to be [least, most] in bytes, from 0 to 5368709120");
  facts.add("content_length_max", std::to_string(bound(1)));
  return "[\"content-length-range\"," + std::to_string(bound(0)) + "," + std::to_string(bound(1)) +
         "]";
}

}  // namespace

S3PostRequest S3PostRequest::parse(const json::object& body, SystemTime now) {
  Fields fields(body);
  S3PostRequest request;
  request.key_ = fields.text("key", kMaxKey);
  request.region_ = read_scope_part(fields, "region");
  request.bucket_ = read_bucket(fields);
  request.url_ = read_url(fields, request.bucket_, request.region_);
  const Object object = read_object(fields);
  const auto expiry = fields.optional_integer("expires_in", 1, kMaxSigv4Expiry);
  if (!expiry) fields.fail("expires_in", "is required");
  const SigningTime signing = read_signing_time(fields, now);
  request.time_ = to_iso8601_basic(signing.time);
  request.expiration_ = to_rfc3339(signing.time + std::chrono::seconds(*expiry));
  request.skew_ = signing.skew;
  request.session_token_ = read_session_token(fields);
  request.explain_ = fields.optional_bool("explain").value_or(false);

  Facts& facts = request.facts_;
  facts.add("service", "s3");
  facts.add("region", request.region_);
  facts.add("method", "POST");
  facts.add("host", lower(parse_url(request.url_, fields, "url").authority()));
  const CanonicalPath path =
      canonical_path("/" + percent_encode(object.name, true),
                     {.normalize = false, .double_encode = false, .plus_is_space = false});
  facts.add(object.exact ? "path" : "path_prefix", path.routed);
  if (path.ambiguous) facts.add("encoded_path", "true");
  facts.add("bucket", request.bucket_);
  facts.add("payload", "unsigned");
  facts.add("mode", "post");
  facts.add("expires_in", std::to_string(*expiry));
  const std::string length_range = read_length_range(fields, facts);
  FormConditions form = read_conditions(fields);
  add_facts(form, facts);
  fields.finish();

  std::vector<std::string> conditions{exact_condition("bucket", request.bucket_),
                                      object.exact ? exact_condition("key", object.name)
                                                   : starts_with_condition("key", object.name)};
  for (const auto& [name, value] : form.exact) conditions.push_back(exact_condition(name, value));
  for (const auto& [name, prefix] : form.starts_with)
    conditions.push_back(starts_with_condition(name, prefix));
  if (!length_range.empty()) conditions.push_back(length_range);
  for (const std::string& condition : conditions) request.conditions_.append(condition).append(",");
  request.object_ = object.exact ? object.name : object.name + std::string(kFilename);
  request.exact_ = std::move(form.exact);

  std::size_t size = 0;
  const S3PostBytes largest = request.bytes(std::string(kMaxAccessKeyId, 'A'));
  for (const auto& [name, value] : request.form(largest, std::string(64, '0')))
    size += name.size() + value.size();
  if (size > kMaxForm)
    fields.fail("fields", "and the policy document make a form of " + std::to_string(size) +
                              " bytes, of which S3 takes " + std::to_string(kMaxForm));
  return request;
}

}  // namespace holdfast::format
