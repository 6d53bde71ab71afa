#include "daemon/format/jwt.h"

#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/format/jwt_claims.h"

namespace holdfast::format {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxKey = 63;
constexpr std::size_t kMaxText = 1024;
constexpr std::size_t kMaxAudiences = 16;
constexpr std::size_t kMaxTyp = 64;
constexpr std::size_t kMaxToken = 24 * 1024;
constexpr std::int64_t kMaxTtl = 365 * 24 * 3600;
constexpr std::string_view kClaimPrefix = "claim.";

std::optional<std::string> read_text(Fields& fields, std::string_view name) {
  auto text = fields.optional_text(name, kMaxText);
  if (text && text->empty()) fields.fail(name, "is empty: leave it out");
  return text;
}

// RFC 7519 §4.1.3: one text or a list of them.
std::vector<std::string> read_audience(Fields& fields, bool& is_list) {
  const json::value* given = fields.optional_value("audience");
  is_list = given != nullptr && given->is_array();
  std::vector<std::string> audience = is_list
                                          ? fields.text_list("audience", kMaxAudiences, kMaxText)
                                          : std::vector{fields.text("audience", kMaxText)};
  if (audience.empty() || std::ranges::count(audience, std::string()) != 0)
    fields.fail("audience", "has to name somebody");
  return audience;
}

// RFC 7515 §4.1.9: a media type, without application/ where nothing else has a slash. RFC 6838 §4.2 has
// the letters.
std::optional<std::string> read_typ(Fields& fields) {
  auto typ = fields.optional_text("typ", kMaxTyp);
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$&-^_.+/").find(c) != std::string_view::npos;
  };
  if (typ && (typ->empty() || !std::ranges::all_of(*typ, allowed)))
    fields.fail("typ", "has to be a media type, such as JWT or at+jwt");
  return typ;
}

std::optional<Algorithm> read_algorithm(Fields& fields) {
  const auto text = fields.optional_text("algorithm", 16);
  if (!text) return std::nullopt;
  const auto algorithm = algorithm_from(*text);
  if (!algorithm) fields.fail("algorithm", "has to be ES256, ES384, RS256, PS256 or EdDSA");
  return algorithm;
}

std::int64_t numeric_date(SystemTime time) {  // RFC 7519 §2
  return std::chrono::floor<seconds>(time).time_since_epoch().count();
}

seconds backdate_of(const std::map<std::string, std::string>& forced) {
  const auto at = forced.find("backdate");
  if (at == forced.end()) return seconds(0);
  return std::chrono::floor<seconds>(parse_duration(at->second).value());
}

std::optional<std::string> forced_or(const std::map<std::string, std::string>& forced,
                                     const std::string& name,
                                     const std::optional<std::string>& given) {
  const auto at = forced.find(name);
  return at == forced.end() ? given : at->second;
}

}  // namespace

JwtRequest JwtRequest::parse(const json::object& body) {
  Fields fields(body);
  JwtRequest request;
  request.key_ = fields.text("key", kMaxKey);
  request.audience_ = read_audience(fields, request.audience_is_list_);
  const auto ttl = fields.optional_integer("ttl", 1, kMaxTtl);
  if (!ttl) fields.fail("ttl", "is required: seconds");
  request.ttl_ = seconds(*ttl);
  request.issuer_ = read_text(fields, "issuer");
  request.subject_ = read_text(fields, "subject");
  request.typ_ = read_typ(fields);
  request.algorithm_ = read_algorithm(fields);

  Facts& facts = request.facts_;
  for (const std::string& audience : request.audience_) facts.add("audience", audience);
  if (request.issuer_) facts.add("issuer", *request.issuer_);
  if (request.subject_) facts.add("subject", *request.subject_);
  if (request.typ_) facts.add("typ", *request.typ_);
  if (request.algorithm_) facts.add("algorithm", std::string(to_string(*request.algorithm_)));
  request.claims_ = read_claims(fields, facts);
  fields.finish();
  return request;
}

void JwtRequest::settle(KeyType type) {
  const auto algorithms = algorithms_of(type);
  if (algorithm_ || algorithms.empty()) return;
  algorithm_ = algorithms.front();
  facts_.add("algorithm", std::string(to_string(*algorithm_)));
}

Algorithm JwtRequest::algorithm_for(KeyType type) const {
  const auto algorithms = algorithms_of(type);
  if (!algorithm_ || std::ranges::find(algorithms, *algorithm_) == algorithms.end())
    throw Error(ErrorKind::invalid_request,
                "algorithm: a key of type " + std::string(to_string(type)) +
                    " does not sign with it: leave it out for the key's own");
  return *algorithm_;
}

JwtBytes JwtRequest::bytes(Algorithm algorithm, const JwtMint& mint) const {
  const json::object header{
      {"alg", to_string(algorithm)}, {"typ", typ_.value_or("JWT")}, {"kid", mint.kid}};

  const std::int64_t now = numeric_date(mint.now);
  const std::int64_t issued = now - backdate_of(mint.forced).count();
  json::object payload;
  if (const auto issuer = forced_or(mint.forced, "issuer", issuer_)) payload["iss"] = *issuer;
  if (const auto subject = forced_or(mint.forced, "subject", subject_)) payload["sub"] = *subject;
  if (audience_is_list_)
    payload["aud"] = json::array(audience_.begin(), audience_.end());
  else
    payload["aud"] = audience_.front();
  payload["iat"] = issued;
  payload["nbf"] = issued;
  payload["exp"] = now + ttl_.count();
  payload["jti"] = mint.jti;
  for (const auto& [name, value] : claims_) payload[name] = value;
  for (const auto& [name, value] : mint.forced)
    if (name.starts_with(kClaimPrefix)) payload[name.substr(kClaimPrefix.size())] = value;

  JwtBytes made;
  made.signing_input = to_base64url(as_bytes(json::serialize(header))) + "." +
                       to_base64url(as_bytes(json::serialize(payload)));
  if (made.signing_input.size() > kMaxToken)
    throw Error(ErrorKind::invalid_request, "claims: the token would be larger than 24 KiB");
  made.jti = mint.jti;
  made.kid = mint.kid;
  made.expires_at = SystemTime(seconds(now) + ttl_);
  return made;
}

json::object JwtRequest::reply(const JwtBytes& bytes, ByteView signature) {
  return {{"token", bytes.signing_input + "." + to_base64url(signature)},
          {"expires_at", to_rfc3339(bytes.expires_at)},
          {"jti", bytes.jti},
          {"kid", bytes.kid}};
}

}  // namespace holdfast::format
