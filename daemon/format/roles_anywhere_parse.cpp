#include <algorithm>

#include "daemon/format/roles_anywhere.h"
#include "daemon/format/sigv4_query.h"
#include "daemon/format/sigv4_scope.h"
#include "daemon/format/uri.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxKey = 63;
constexpr std::size_t kMaxArn = 1011;  // as long as AWS takes one
constexpr std::size_t kMaxRoleName = 64;
constexpr std::size_t kMaxEndpoint = 300;
constexpr std::int64_t kMinDuration = 900, kMaxDuration = 43200, kDefaultDuration = 3600;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word(char c) {  // [\w+=,.@-], as IAM spells names
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
         std::string_view("_+=,.@-").find(c) != std::string_view::npos;
}

// arn:partition:service:region:account:resource
struct Arn {
  std::string_view partition, service, region, account, resource;
};

bool take(std::string_view& rest, std::string_view& part) {
  const std::size_t colon = rest.find(':');
  if (colon == std::string_view::npos) return false;
  part = rest.substr(0, colon);
  rest.remove_prefix(colon + 1);
  return true;
}

bool read_arn(std::string_view text, Arn& arn) {
  std::string_view arn_word;
  if (!take(text, arn_word) || arn_word != "arn" || !take(text, arn.partition) ||
      !take(text, arn.service) || !take(text, arn.region) || !take(text, arn.account))
    return false;
  arn.resource = text;
  return arn.partition.starts_with("aws") && arn.partition.size() <= 32 &&
         std::ranges::all_of(arn.partition,
                             [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }) &&
         arn.account.size() == 12 && std::ranges::all_of(arn.account, is_digit);
}

bool is_uuid(std::string_view text) {  // RFC 9562 §4, in lower case
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !(is_digit(text[i]) || (text[i] >= 'a' && text[i] <= 'f')))
      return false;
  }
  return true;
}

// role/path/name
bool is_role(std::string_view resource) {
  const std::size_t slash = resource.rfind('/');
  if (!resource.starts_with("role/")) return false;
  const std::string_view path = resource.substr(0, slash), name = resource.substr(slash + 1);
  return std::ranges::all_of(path, [](char c) { return c > ' ' && c < '\x7f'; }) && !name.empty() &&
         name.size() <= kMaxRoleName && std::ranges::all_of(name, is_word);
}

std::string read_role(Fields& fields) {
  std::string text = fields.text("role_arn", kMaxArn);
  Arn arn;
  if (!read_arn(text, arn) || arn.service != "iam" || !arn.region.empty() || !is_role(arn.resource))
    fields.fail("role_arn", "has to be like arn:aws:iam::123456789012:role/NAME");
  return text;
}

// Of the service's own: `kind`/UUID, in the request's region.
std::string read_own(Fields& fields, std::string_view name, std::string_view kind,
                     std::string_view region) {
  std::string text = fields.text(name, kMaxArn);
  const std::string prefix = std::string(kind) + "/";
  Arn arn;
  if (!read_arn(text, arn) || arn.service != "rolesanywhere" || !arn.resource.starts_with(prefix) ||
      !is_uuid(arn.resource.substr(prefix.size())))
    fields.fail(name, "has to be like arn:aws:rolesanywhere:eu-west-1:123456789012:" + prefix +
                          "01234567-89ab-cdef-0123-456789abcdef");
  if (arn.region != region) fields.fail(name, "is of another region than `region`");
  return text;
}

std::string read_session_name(Fields& fields) {
  const auto text = fields.optional_text("session_name", 64);
  if (!text) return {};
  if (text->size() < 2 || !std::ranges::all_of(*text, is_word))
    fields.fail("session_name", "has to be 2 to 64 letters, digits and _+=,.@-");
  return *text;
}

std::string read_endpoint(Fields& fields, const std::string& region) {
  std::string domain = ".amazonaws.com";
  if (region.starts_with("cn-")) domain += ".cn";
  return fields.optional_text("endpoint", kMaxEndpoint)
      .value_or("https://rolesanywhere." + region + domain);
}

}  // namespace

RolesAnywhereRequest RolesAnywhereRequest::parse(const json::object& body, SystemTime now) {
  Fields fields(body);
  RolesAnywhereRequest request;
  request.key_ = fields.text("key", kMaxKey);
  request.region_ = read_scope_part(fields, "region");
  const std::string role = read_role(fields);
  const std::string profile = read_own(fields, "profile_arn", "profile", request.region_);
  const std::string anchor = read_own(fields, "trust_anchor_arn", "trust-anchor", request.region_);
  const std::int64_t duration =
      fields.optional_integer("duration_seconds", kMinDuration, kMaxDuration)
          .value_or(kDefaultDuration);
  const std::string session = read_session_name(fields);
  const std::string endpoint = read_endpoint(fields, request.region_);
  const Url url = parse_url(endpoint, fields, "endpoint");
  if (!url.is_https || !url.path.empty() || url.has_query)
    fields.fail("endpoint", "has to be https://HOST or https://HOST:PORT");
  const SigningTime signing = read_signing_time(fields, now);
  request.explain_ = fields.optional_bool("explain").value_or(false);
  fields.finish();

  request.skew_ = signing.skew;
  request.time_ = to_iso8601_basic(signing.time);
  request.base_ = url.base;
  request.host_ = url.authority();
  request.query_ =
      canonical_query({{"profileArn", profile}, {"roleArn", role}, {"trustAnchorArn", anchor}});
  json::object session_body{{"durationSeconds", duration}};
  if (!session.empty()) session_body["roleSessionName"] = session;
  request.body_ = json::serialize(session_body);

  Facts& facts = request.facts_;
  facts.add("service", "rolesanywhere");
  facts.add("action", "CreateSession");
  facts.add("region", request.region_);
  facts.add("host", lower(request.host_));
  facts.add("role", role);
  facts.add("profile", profile);
  facts.add("trust_anchor", anchor);
  if (!session.empty()) facts.add("session_name", session);
  facts.add("duration", std::to_string(duration));
  return request;
}

}  // namespace holdfast::format
