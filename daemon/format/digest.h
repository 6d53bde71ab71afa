// Sign what the caller hashed. Policy can't see what is said: the use itself has to be granted.
#pragma once

#include <string>

#include "daemon/base/bytes.h"
#include "daemon/base/facts.h"
#include "daemon/base/json.h"
#include "daemon/key/backend.h"

namespace holdfast::format {

class DigestRequest {
 public:
  // Reads the body of POST /v1/sign/digest. Throws Error{invalid_request} that names the field: a
  // digest of another size than the algorithm's, an unknown encoding or algorithm. ECDSA's encoding
  // has to be said; RSA has one form, raw. EdDSA signs no digest.
  static DigestRequest parse(const json::object& body);

  const std::string& key() const { return key_; }
  const Facts& facts() const { return facts_; }  // algorithm
  Facts take_facts() { return std::move(facts_); }
  Algorithm algorithm() const { return algorithm_; }
  const Bytes& digest() const { return digest_; }

  // {"signature"} in the encoding asked for; `signature` as Backend::sign gives it.
  json::object reply(ByteView signature) const;

 private:
  DigestRequest() = default;
  enum class Encoding { der, raw };
  std::string key_;
  Facts facts_;
  Algorithm algorithm_ = Algorithm::es256;
  Encoding encoding_ = Encoding::der;
  Bytes digest_;
};

}  // namespace holdfast::format
