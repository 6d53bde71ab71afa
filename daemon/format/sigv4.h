// AWS Signature Version 4: from what the caller wants to send to what is signed and back.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//
// One object goes all the way: parse() builds the canonical parts, facts() shows policy those very
// parts, and what is signed is made from them. Nothing the caller sent is read a second time.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"

namespace holdfast::format {

// What is signed for one access key. `derivation` is the chain for Backend::mac that ends in the
// signing key of `scope`; the signature is HMAC(signing key, string_to_sign), in hex.
struct Sigv4Bytes {
  std::string scope;  // 20260101/eu-west-1/s3/aws4_request
  std::vector<Bytes> derivation;
  std::string credential;  // access key id / scope
  std::string canonical_request;
  std::string string_to_sign;
};

class Sigv4Request {
 public:
  // Reads the body of POST /v1/sign/sigv4 (sdk/API.md has every field and rule).
  // Throws Error{invalid_request} that names the field.
  static Sigv4Request parse(const json::object& body, SystemTime now);

  const std::string& key() const { return key_; }
  const Facts& facts() const { return facts_; }
  // How far the request's own time is from now: |time - now|.
  std::chrono::seconds skew() const { return skew_; }

  Sigv4Bytes bytes(const std::string& access_key_id) const;

  // {"headers", "url", "signature", "signed_headers"} and, if asked for, canonical_request and
  // string_to_sign; the caller adds audit_seq.
  json::object reply(const Sigv4Bytes& bytes, const std::string& signature_hex) const;

 private:
  Sigv4Request() = default;
  std::string key_;
  Facts facts_;
  std::chrono::seconds skew_{0};
};

}  // namespace holdfast::format
