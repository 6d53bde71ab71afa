// Uploads to S3 by an HTML form: the policy document that says what may be uploaded is what is
// signed. The daemon writes it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
//
// Facts, each once unless said:
//   service "s3", method "POST", mode "post", payload "unsigned"
//   region bucket     as signed
//   host              of the url. The signature does not cover it: region and bucket bind
//   path              "/" and the object, where it is exact
//   path_prefix       "/" and the prefix, where the uploader names the object; never both
//   encoded_path      "true" where either has an empty, "." or ".." segment; else absent
//   expires_in        in seconds
//   content_length_max   the most that may be uploaded; absent where the document does not say
//   header.NAME       a field that S3 reads as this header; "acl" is header.x-amz-acl
//   field.NAME        any other field; names in lower case
//   starts_with.NAME  a field of which the document says the beginning alone
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/format/s3_post_form.h"
#include "daemon/format/sigv4_scope.h"

namespace holdfast::format {

// string_to_sign is the document in base64.
struct S3PostBytes : Sigv4ToSign {
  std::string policy;
};

class S3PostRequest {
 public:
  // Reads the body of POST /v1/sign/s3-post (sdk/API.md has every field and rule).
  // Throws Error{invalid_request} that names the field.
  static S3PostRequest parse(const json::object& body, SystemTime now);

  const std::string& key() const { return key_; }
  const Facts& facts() const { return facts_; }
  Facts take_facts() { return std::move(facts_); }
  std::chrono::seconds skew() const { return skew_; }  // |time - now|

  S3PostBytes bytes(const std::string& access_key_id) const;

  // {"url", "fields", "signature"} and, if asked for, the document as policy_document; the caller
  // adds audit_seq.
  json::object reply(const S3PostBytes& bytes, const std::string& signature_hex) const;

 private:
  S3PostRequest() = default;

  // All that the form has but the file.
  std::vector<FormField> form(const S3PostBytes& bytes, const std::string& signature_hex) const;
  // What the signature brings: in the document and in the form.
  std::vector<FormField> signing_fields(const std::string& credential) const;

  std::string key_;
  Facts facts_;
  std::chrono::seconds skew_{0};

  std::string region_, bucket_, url_;
  std::string time_;        // 20260101T000000Z
  std::string expiration_;  // 2026-01-01T00:15:00Z
  std::string session_token_;
  bool explain_ = false;
  std::string object_;      // the form's key
  std::string conditions_;  // the caller's, each with a comma behind it
  std::vector<FormField> exact_;
};

}  // namespace holdfast::format
