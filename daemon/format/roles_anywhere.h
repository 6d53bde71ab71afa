// IAM Roles Anywhere's CreateSession: temporary credentials of a role for who has a certificate's key.
// https://docs.aws.amazon.com/rolesanywhere/latest/userguide/authentication-sign-process.html
//
// The whole request is built here, so that nothing else can be signed with such a key. Facts, each
// once:
//   service action          "rolesanywhere", "CreateSession"
//   region                  as given
//   host                    the endpoint's, in lower case, without https's own port
//   role profile trust_anchor   the ARNs
//   session_name            where one is given
//   duration                of the session, in seconds
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/format/sigv4_canonical.h"
#include "daemon/key/backend.h"

namespace holdfast::format {

// Who signs; the caller can't choose it.
struct CertificateHolder {
  Algorithm algorithm;       // ES256 or RS256
  std::string serial;        // the leaf's, decimal
  std::vector<Bytes> chain;  // DER, the leaf first, then what has to be sent for it to be trusted
};

struct RolesAnywhereBytes {
  std::string algorithm;        // as AWS calls it
  std::string credential;       // serial / scope
  std::vector<Header> headers;  // to send, as they are spelt
  std::string signed_headers;
  std::string canonical_request;
  std::string string_to_sign;
};

class RolesAnywhereRequest {
 public:
  // Reads the body of POST /v1/sign/roles-anywhere. Throws Error{invalid_request} that names the
  // field.
  static RolesAnywhereRequest parse(const json::object& body, SystemTime now);

  const std::string& key() const { return key_; }
  const Facts& facts() const { return facts_; }
  Facts take_facts() { return std::move(facts_); }
  std::chrono::seconds skew() const { return skew_; }  // |time - now|

  RolesAnywhereBytes bytes(const CertificateHolder& holder) const;

  // `signature` as AWS takes it: ECDSA in DER.
  json::object reply(const RolesAnywhereBytes& bytes, ByteView signature) const;

 private:
  RolesAnywhereRequest() = default;

  std::string key_;
  Facts facts_;
  std::chrono::seconds skew_{0};
  std::string region_;
  std::string base_;   // https://host[:port]
  std::string host_;   // as the header has it
  std::string query_;  // canonical, and as it is sent
  std::string body_;
  std::string time_;  // 20260101T000000Z
  bool explain_ = false;
};

}  // namespace holdfast::format
