#include "daemon/format/digest.h"

#include "daemon/base/openssl.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxKey = 63;
constexpr std::size_t kMaxDigest = 64;

bool is_ecdsa(Algorithm algorithm) {
  return algorithm == Algorithm::es256 || algorithm == Algorithm::es384;
}

}  // namespace

DigestRequest DigestRequest::parse(const json::object& body) {
  Fields fields(body);
  DigestRequest request;
  request.key_ = fields.text("key", kMaxKey);

  const auto algorithm = algorithm_from(fields.text("algorithm", 16));
  if (!algorithm) fields.fail("algorithm", "has to be ES256, ES384, RS256 or PS256");
  request.algorithm_ = *algorithm;
  const std::size_t size = digest_bytes(*algorithm);
  if (size == 0)
    fields.fail("algorithm", "EdDSA signs messages and no digests: ed25519 keys are for tokens");

  auto digest = fields.optional_base64("digest", kMaxDigest);
  if (!digest) fields.fail("digest", "is required");
  if (digest->size() != size)
    fields.fail("digest", "has to be " + std::to_string(size) + " bytes for " +
                              std::string(to_string(*algorithm)));
  request.digest_ = std::move(*digest);

  const auto encoding = fields.optional_text("encoding", 8);
  if (encoding && *encoding != "der" && *encoding != "raw")
    fields.fail("encoding", "has to be der or raw");
  if (is_ecdsa(*algorithm) && !encoding) fields.fail("encoding", "is required: der or raw");
  if (!is_ecdsa(*algorithm) && encoding == "der")
    fields.fail("encoding", "der is for ECDSA; an RSA signature has one form, raw");
  request.encoding_ = encoding == "der" ? Encoding::der : Encoding::raw;
  fields.finish();

  request.facts_.add("algorithm", std::string(to_string(*algorithm)));
  return request;
}

json::object DigestRequest::reply(ByteView signature) const {
  return {{"signature", encoding_ == Encoding::der ? to_base64(ecdsa_raw_to_der(signature))
                                                   : to_base64(signature)}};
}

}  // namespace holdfast::format
