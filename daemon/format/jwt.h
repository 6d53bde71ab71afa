// JSON Web Tokens (RFC 7519) as signed JWS in compact form (RFC 7515 §7.1).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/key/backend.h"

namespace holdfast::format {

// What the signer adds; the caller can't choose it.
struct JwtMint {
  SystemTime now;
  std::string kid;
  std::string jti;
  // A grant's `set` with its templates filled in: issuer, subject, backdate as it is written,
  // claim.NAME. It goes before what the caller gave.
  std::map<std::string, std::string> forced;
};

struct JwtBytes {
  std::string signing_input;  // RFC 7515 §5.1: BASE64URL(header) "." BASE64URL(payload)
  std::string jti;
  std::string kid;
  SystemTime expires_at;
};

class JwtRequest {
 public:
  // Reads the body of POST /v1/token/jwt. Throws Error{invalid_request} that names the field.
  static JwtRequest parse(const json::object& body);

  const std::string& key() const { return key_; }
  // audience (each), issuer, subject, typ, algorithm, claim.NAME.
  const Facts& facts() const { return facts_; }
  Facts take_facts() { return std::move(facts_); }
  std::chrono::seconds ttl() const { return ttl_; }

  // The algorithm that was not said is the one of the key's type (RSA: RS256), and a fact from then
  // on. To be called before facts() is judged.
  void settle(KeyType type);

  // Throws Error{invalid_request} where it does not fit the key's type.
  Algorithm algorithm_for(KeyType type) const;

  // Throws Error{invalid_request} where the token would be larger than 24 KiB.
  JwtBytes bytes(Algorithm algorithm, const JwtMint& mint) const;

  // {"token","expires_at","jti","kid"}; `signature` as Backend::sign gives it, which is JWS's form
  // (RFC 7518 §3.4: r‖s; RFC 8037 §3.1).
  static json::object reply(const JwtBytes& bytes, ByteView signature);

 private:
  JwtRequest() = default;

  std::string key_;
  Facts facts_;
  std::vector<std::string> audience_;
  bool audience_is_list_ = false;
  std::chrono::seconds ttl_{0};
  std::optional<std::string> issuer_, subject_, typ_;
  std::optional<Algorithm> algorithm_;
  json::object claims_;
};

}  // namespace holdfast::format
