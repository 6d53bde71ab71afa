// AWS Signature Version 4, and 4A for a set of regions: from what the caller wants to send to what is signed and back.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//
// One object goes all the way: parse() builds the canonical parts, facts() shows policy those very
// parts, and what is signed is made from them. Nothing the caller sent is read a second time.
//
// Facts, each once unless said:
//   service region method mode       as given; region once for each of a set; expires_in in query
//                   mode, in seconds
//   host            the signed Host in lower case; the scheme's own port is left out unless a Host
//                   header spells it
//   path            what the service routes: the wire's path, normalised where the service does
//   that,
//                   decoded exactly once ("%252F" reads "%2F"). Path-style S3 keeps the bucket in
//                   it
//   encoded_path    "true" where a service might route another path (sigv4_path.h); else absent
//   bucket          S3 only, where it can be known (sigv4_bucket.h)
//   query.NAME      decoded, case kept; one for each time it is given
//   header.NAME     lower case; all that is signed but Host and what the signature brings. One for
//   each
//                   time it is given, and if that is more than once also their values joined by
//                   ",", which is what is signed. A query parameter X-Amz-…, which S3 reads like a
//                   header, is one too
//   action          sigv4_action.h; never for S3
//   payload         signed, unsigned, streaming
//   signing_options "true" where normalize_path, double_encode or content_sha256_header differ from
//   the
//                   service's default, or path or query hold raw spaces or UTF-8; else absent
// Values that are themselves secret (session tokens, customer-provided encryption keys) are shown
// as "sha256:HEX"; the session_token field is no fact at all.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/format/sigv4_canonical.h"
#include "daemon/format/sigv4_chunk.h"
#include "daemon/format/sigv4_query.h"
#include "daemon/format/sigv4_region.h"
#include "daemon/format/sigv4_scope.h"

namespace holdfast::format {

// In query mode a parameter, else a header.
inline constexpr std::string_view kRegionSet = "X-Amz-Region-Set";

// What is signed for one access key. For a set of regions `derivation` is empty, and the signature ECDSA on P-256 with
// SHA-256, as DER in hex.
struct Sigv4Bytes : Sigv4ToSign {
  std::string canonical_request;
};

class Sigv4Request {
 public:
  // Reads the body of POST /v1/sign/sigv4 (sdk/API.md has every field and rule).
  // Throws Error{invalid_request} that names the field.
  static Sigv4Request parse(const json::object& body, SystemTime now);

  const std::string& key() const { return key_; }
  // AWS4-ECDSA-P256-SHA256 (SigV4A) instead of AWS4-HMAC-SHA256?
  bool is_asymmetric() const { return regions_.is_set; }
  const Facts& facts() const { return facts_; }
  // Those of an upload stay: each of its chunks is judged by them.
  Facts take_facts() { return chunks_ ? facts_ : std::move(facts_); }
  // Whose signatures come after this one.
  const std::optional<ChunksAhead>& chunks() const { return chunks_; }
  const std::string& time() const { return time_; }
  // How far the request's own time is from now: |time - now|.
  std::chrono::seconds skew() const { return skew_; }

  Sigv4Bytes bytes(const std::string& access_key_id) const;

  // {"headers", "url", "signature", "signed_headers"} and, if asked for, canonical_request and
  // string_to_sign; the caller adds audit_seq.
  json::object reply(const Sigv4Bytes& bytes, const std::string& signature_hex) const;

 private:
  Sigv4Request() = default;

  std::string_view algorithm() const;
  // In the order they are appended to the url; without the signature.
  std::vector<Parameter> presigning(const std::string& credential) const;

  std::string key_;
  Facts facts_;
  std::chrono::seconds skew_{0};

  Regions regions_;
  std::string service_, method_, url_;
  std::string time_;             // 20260101T000000Z
  bool presigned_ = false;       // query mode
  std::int64_t expires_in_ = 0;  // seconds
  std::optional<ChunksAhead> chunks_;
  bool explain_ = false;
  std::string path_;              // canonical
  std::vector<Parameter> query_;  // the caller's
  std::vector<Header> added_;  // what header mode adds beside Authorization, as the reply spells it
  std::string session_token_;
  HeaderBlock signed_;
  std::string payload_hash_;
};

}  // namespace holdfast::format
