// POST /v1/sign/digest: what is taken is a digest of its algorithm's size, and an ECDSA signature survives the
// way to DER and back.
#include <algorithm>

#include "daemon/base/openssl.h"
#include "daemon/format/digest.h"
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  using format::DigestRequest;
  fuzz::answers({ErrorKind::invalid_request}, [&] {
    const json::object body = parse_json_object(as_text({data, size}));
    const DigestRequest request = DigestRequest::parse(body);
    fuzz::check(request.digest().size() == digest_bytes(request.algorithm()),
                "the digest has its size");
    fuzz::check(!request.digest().empty(), "there is a digest");
    fuzz::check(body.at("digest").as_string() == to_base64(request.digest()),
                "the digest is the one that was given, in its one spelling");
    fuzz::check(body.at("algorithm").as_string() == to_string(request.algorithm()) &&
                    request.facts().all().size() == 1 &&
                    *request.facts().find("algorithm") == to_string(request.algorithm()),
                "the algorithm that policy sees is the one that was given");

    // Two numbers of which neither is zero, made from the digest.
    Bytes raw(2 * request.digest().size(), 1);
    std::ranges::copy(request.digest(), raw.begin());
    raw.front() |= 1;
    const auto* encoding = body.if_contains("encoding");
    const json::object reply = request.reply(raw);
    const Bytes signature = from_base64(std::string(reply.at("signature").as_string())).value();
    const bool is_der = encoding != nullptr && encoding->as_string() == "der";
    fuzz::check((is_der ? ecdsa_der_to_raw(signature, raw.size() / 2) : signature) == raw,
                "the signature is the same in the form asked for");
  });
  return 0;
}
