#include "daemon/policy/vocabulary.h"

namespace holdfast::policy {

std::optional<FactKind> fact_kind(std::string_view name) {
  for (const std::string_view plain : {"method", "bucket", "payload", "mode"})
    if (name == plain) return FactKind{};
  for (const std::string_view shared : {"service", "region"})
    if (name == shared) return FactKind{.protocols = kSigv4 | kSession};
  if (name == "path") return FactKind{.pattern = PatternKind::path};
  if (name == "host") return FactKind{.pattern = PatternKind::host, .protocols = kSigv4 | kSession};
  if (name == "action") return FactKind{.protocols = kSigv4 | kSession, .optional = true};
  for (const std::string_view arn : {"role", "profile", "trust_anchor"})
    if (name == arn) return FactKind{.pattern = PatternKind::uri, .protocols = kSession};
  if (name == "session_name") return FactKind{.protocols = kSession, .optional = true};
  if (name == "duration") return FactKind{.form = FactForm::number, .protocols = kSession};
  if (name == "algorithm") return FactKind{.protocols = kToken | kDigest};
  if (name == "audience") return FactKind{.pattern = PatternKind::uri, .protocols = kToken};
  if (name == "issuer")
    return FactKind{.pattern = PatternKind::uri, .protocols = kToken, .optional = true};
  if (name == "subject") return FactKind{.protocols = kToken, .optional = true};
  if (name == "ttl") return FactKind{.form = FactForm::number, .protocols = kToken};
  if (name == "expires_in") return FactKind{.form = FactForm::number, .optional = true};
  if (name == "typ") return FactKind{.closed = true, .protocols = kToken, .optional = true};
  if (name == "signing_options" || name == "encoded_path")
    return FactKind{.form = FactForm::permission, .closed = true, .optional = true};
  // S3 then reads from a place that neither path nor bucket shows: its value is a path itself.
  if (name == "header.x-amz-copy-source")
    return FactKind{.pattern = PatternKind::path, .closed = true, .optional = true};
  for (const std::string_view prefix : {"query.", "header.", "claim."})
    if (name.starts_with(prefix) && (name.size() > prefix.size() || prefix == "query.")) {
      const bool claim = prefix == "claim.";
      return FactKind{.closed = claim, .protocols = claim ? kToken : kSigv4, .optional = true};
    }
  return std::nullopt;
}

bool is_surely_absent(std::string_view name, const Facts& facts, bool has_ttl) {
  const FactKind kind = fact_kind(name).value_or(FactKind{});
  if (kind.optional) return true;
  constexpr Protocols kAll = kSigv4 | kSession | kToken | kDigest;
  Protocols asked = has_ttl ? kToken : kAll;
  for (const Fact& fact : facts.all())
    if (const auto of = fact_kind(fact.name)) asked &= of->protocols;
  if (asked == kAll || asked == 0) return false;  // no fact, or of requests that there are not
  // A token has more than an algorithm.
  if (asked == (kToken | kDigest)) asked = kDigest;
  if ((kind.protocols & asked) == 0) return true;
  const std::string* service = facts.find("service");
  return name == "bucket" && service != nullptr && !service->starts_with("s3");
}

std::string fact_name(std::string_view text) {
  std::string name(text);
  if (name.starts_with("header."))
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

std::string_view fact_names() {
  return "service, region, method, host, path, bucket, query.NAME, header.NAME, action, payload, "
         "mode, "
         "expires_in, signing_options, encoded_path, role, profile, trust_anchor, session_name, "
         "duration, algorithm, audience, issuer, subject, typ, ttl, claim.NAME";
}

}  // namespace holdfast::policy
