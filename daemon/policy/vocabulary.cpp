#include "daemon/policy/vocabulary.h"

namespace holdfast::policy {

std::optional<FactKind> fact_kind(std::string_view name) {
  for (const std::string_view plain : {"service", "region", "method", "bucket", "action", "payload",
                                       "mode", "algorithm", "subject"})
    if (name == plain) return FactKind{};
  if (name == "path") return FactKind{.pattern = PatternKind::path};
  if (name == "host") return FactKind{.pattern = PatternKind::host};
  if (name == "audience" || name == "issuer") return FactKind{.pattern = PatternKind::uri};
  if (name == "expires_in") return FactKind{.form = FactForm::maximum};
  if (name == "typ") return FactKind{.closed = true};
  if (name == "signing_options" || name == "encoded_path")
    return FactKind{.form = FactForm::permission, .closed = true};
  // S3 then reads from a place that neither path nor bucket shows: its value is a path itself.
  if (name == "header.x-amz-copy-source")
    return FactKind{.pattern = PatternKind::path, .closed = true};
  for (const std::string_view prefix : {"query.", "header.", "claim."})
    if (name.starts_with(prefix) && (name.size() > prefix.size() || prefix == "query."))
      return FactKind{.closed = prefix == "claim."};
  return std::nullopt;
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
         "expires_in, signing_options, encoded_path, algorithm, audience, issuer, subject, typ, "
         "claim.NAME";
}

}  // namespace holdfast::policy
