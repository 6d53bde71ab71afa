#include "daemon/format/digest.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast::format {
namespace {

json::object digest_request(std::string_view algorithm, std::size_t size,
                            const json::value& encoding) {
  json::object body{{"key", "k"}, {"algorithm", algorithm}, {"digest", to_base64(Bytes(size, 7))}};
  if (!encoding.is_null()) body["encoding"] = encoding;
  return body;
}

std::string complaint_of(const json::object& body) {
  try {
    DigestRequest::parse(body);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail() : "WRONG KIND";
  }
}

TEST(DigestFormat, TakesADigestOfTheAlgorithmsSize) {
  const auto request = DigestRequest::parse(digest_request("ES256", 32, "der"));
  EXPECT_EQ(request.key(), "k");
  EXPECT_EQ(request.algorithm(), Algorithm::es256);
  EXPECT_EQ(request.digest(), Bytes(32, 7));
  ASSERT_EQ(request.facts().all().size(), 1u);
  EXPECT_EQ(*request.facts().find("algorithm"), "ES256");
  EXPECT_EQ(complaint_of(digest_request("ES384", 48, "raw")), "");
  EXPECT_EQ(complaint_of(digest_request("RS256", 32, nullptr)), "");
  EXPECT_EQ(complaint_of(digest_request("PS256", 32, "raw")), "");
}

TEST(DigestFormat, RefusesAMismatchAndNamesTheField) {
  for (const std::size_t size : {0, 20, 31, 33, 48, 64})
    EXPECT_TRUE(complaint_of(digest_request("ES256", size, "der")).starts_with("digest: ")) << size;
  EXPECT_TRUE(complaint_of(digest_request("ES384", 32, "der")).starts_with("digest: "));
  for (const char* algorithm : {"", "es256", "ES512", "HS256", "none", "EdDSA", "ES256 "})
    EXPECT_TRUE(complaint_of(digest_request(algorithm, 32, "der")).starts_with("algorithm: "))
        << algorithm;
  for (const json::value& encoding :
       std::initializer_list<json::value>{nullptr, "", "DER", "hex", 1, true})
    EXPECT_TRUE(complaint_of(digest_request("ES256", 32, encoding)).starts_with("encoding: "))
        << encoding;
  EXPECT_TRUE(complaint_of(digest_request("RS256", 32, "der")).starts_with("encoding: "));
}

TEST(DigestFormat, RefusesMissingUnknownAndMistypedFields) {
  for (const char* name : {"key", "algorithm", "digest"}) {
    json::object body = digest_request("ES256", 32, "raw");
    body.erase(name);
    EXPECT_EQ(complaint_of(body), std::string(name) + ": is required");
    body[name] = 1;
    EXPECT_TRUE(complaint_of(body).starts_with(name));
  }
  json::object body = digest_request("ES256", 32, "raw");
  body["message"] = "x";
  EXPECT_EQ(complaint_of(body), "message: is not a known field");
  for (const char* digest : {"!", "AA", "AA==\n", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwd="})
    EXPECT_TRUE(complaint_of(
                    {{"key", "k"}, {"algorithm", "ES256"}, {"encoding", "raw"}, {"digest", digest}})
                    .starts_with("digest: "));
}

TEST(DigestFormat, RepliesInTheEncodingAskedFor) {
  Bytes raw(64, 0);
  raw[31] = 1, raw[32] = 0x80;
  const auto signature = [&](const char* algorithm, const json::value& encoding) {
    return std::string(DigestRequest::parse(digest_request(algorithm, 32, encoding))
                           .reply(raw)
                           .at("signature")
                           .as_string());
  };
  EXPECT_EQ(signature("ES256", "raw"), to_base64(raw));
  EXPECT_EQ(signature("RS256", nullptr), to_base64(raw));
  Bytes der{0x30, 0x26, 0x02, 0x01, 0x01, 0x02, 0x21, 0x00, 0x80};
  der.resize(der.size() + 31, 0);
  EXPECT_EQ(signature("ES256", "der"), to_base64(der));
}

}  // namespace
}  // namespace holdfast::format
