// The fields of POST /v1/sign/sigv4, one by one.
#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

void expect_refused(std::string_view name, const json::array& given) {
  for (const json::value& value : given)
    EXPECT_TRUE(complaint_of(s3_get({{name, value}})).starts_with(std::string(name) + ": "))
        << name << " = " << value << ": " << complaint_of(s3_get({{name, value}}));
}

TEST(Sigv4Fields, AreAllNeededThatHaveNoDefault) {
  EXPECT_EQ(complaint_of(s3_get()), "");
  for (const char* name : {"key", "region", "service", "method", "url"})
    EXPECT_EQ(complaint_of(s3_get({{name, nullptr}})), std::string(name) + ": is required");
}

TEST(Sigv4Fields, RefuseAnUnknownOne) {
  for (const char* name : {"Key", "access_key_id", "headers ", "signHeaders", "algorithm", ""})
    EXPECT_EQ(complaint_of(s3_get({{name, "x"}})), std::string(name) + ": is not a known field");
}

TEST(Sigv4Fields, RefuseOtherTypesAndValues) {
  const std::string long_text(65, 'a');
  expect_refused("key", {1, true, json::array{}, long_text});
  expect_refused("region", {1, "", "EU-WEST-1", "eu_west", "eu/west", "eu west", "a\n", long_text,
                            "\xC3\xA4", "*"});
  expect_refused("service", {1, "", "S3", "s3/aws4_request", "s.3", "s3\n", long_text});
  expect_refused("method", {1, "", "get", "Get", "GE T", "GET\n", "GET\nPUT", std::string(33, 'A'),
                            "G\xC3\xA4T"});
  expect_refused("url", {1, json::array{}});
  expect_refused("mode", {1, "", "Header", "both", "header "});
  expect_refused("time", {1, "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00",
                          "2026-01-01T00:00:00.0Z", "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z",
                          "0000-01-01T00:00:00Z", "2262-01-01T00:00:00Z", "2610-07-22T00:00:00Z",
                          "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z"});
  expect_refused("session_token",
                 {1, "", "a b", "a\nb", "a\r", "\xC3\xA4", "a\x7f", std::string(8193, 'a')});
  expect_refused("payload_sha256", {1, "", "unsigned-payload", "STREAMING",
                                    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
                                    std::string(63, 'a'), std::string(65, 'a'),
                                    std::string(64, 'A'), std::string(64, 'g'), kEmptyHash + "\n"});
  expect_refused("body", {1, "a", "YQ", "YR==", "YQ==\n", "Y-8="});
  expect_refused("sign_headers", {1, "host", json::array{1}});
  for (const char* name : {"normalize_path", "double_encode", "content_sha256_header", "explain"})
    expect_refused(name, {"true", 1, json::array{}});
}

TEST(Sigv4Fields, ExpiryBelongsToModeQuery) {
  const auto query = [](const json::value& expiry) {
    return complaint_of(s3_get({{"mode", "query"}, {"expires_in", expiry}}));
  };
  EXPECT_EQ(query(1), "");
  EXPECT_EQ(query(604800), "");
  for (const json::value& expiry :
       std::initializer_list<json::value>{0, -1, 604801, "60", 60.0, true})
    EXPECT_TRUE(query(expiry).starts_with("expires_in: ")) << expiry;
  EXPECT_TRUE(query(nullptr).starts_with("expires_in: "));
  EXPECT_TRUE(complaint_of(s3_get({{"expires_in", 60}})).starts_with("expires_in: "));
  EXPECT_TRUE(
      complaint_of(s3_get({{"mode", "header"}, {"expires_in", 60}})).starts_with("expires_in: "));
}

TEST(Sigv4Payload, HasToBeSaidForPutPostAndPatch) {
  for (const char* method : {"PUT", "POST", "PATCH"})
    for (const char* service : {"s3", "sts"}) {
      EXPECT_TRUE(complaint_of(s3_get({{"method", method}, {"service", service}}))
                      .starts_with("payload_sha256: "));
      EXPECT_EQ(complaint_of(s3_get({{"method", method}, {"service", service}, {"body", ""}})), "");
      EXPECT_EQ(complaint_of(s3_get(
                    {{"method", method}, {"service", service}, {"payload_sha256", kEmptyHash}})),
                "");
    }
  const json::object presigned = s3_get({{"method", "PUT"}, {"mode", "query"}, {"expires_in", 60}});
  EXPECT_TRUE(parse(presigned).bytes("A").canonical_request.ends_with("\nUNSIGNED-PAYLOAD"));
  json::object other = presigned;
  other["service"] = "sts";
  EXPECT_TRUE(complaint_of(other).starts_with("payload_sha256: "));
}

TEST(Sigv4Payload, IsHashedHereOrGivenButNotBoth) {
  EXPECT_NE(complaint_of(s3_get({{"body", ""}, {"payload_sha256", kEmptyHash}})), "");
  EXPECT_TRUE(parse(s3_get({{"body", "YWJj"}}))
                  .bytes("A")
                  .canonical_request.ends_with(
                      "\nba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_TRUE(parse(s3_get()).bytes("A").canonical_request.ends_with("\n" + kEmptyHash));
}

TEST(Sigv4Payload, ACallersContentSha256HeaderHasToAgree) {
  const auto given = [](const char* service, json::array headers) {
    return s3_get({{"service", service}, {"headers", headers}});
  };
  for (const char* service : {"s3", "sts"}) {
    const json::array right{header("X-Amz-Content-Sha256", kEmptyHash)};
    const auto request = parse(given(service, right));
    const std::string text = request.bytes("A").canonical_request;
    EXPECT_NE(text.find("\nx-amz-content-sha256:" + kEmptyHash + "\n"), std::string::npos);
    EXPECT_EQ(text.find(kEmptyHash + "," + kEmptyHash), std::string::npos);
    for (const std::string& wrong :
         {std::string("UNSIGNED-PAYLOAD"), std::string(64, 'a'), std::string()})
      EXPECT_TRUE(complaint_of(given(service, {header("X-Amz-Content-Sha256", wrong)}))
                      .starts_with("headers: "));
    EXPECT_NE(complaint_of(given(service, {right.at(0), right.at(0)})), "");
  }
}

TEST(Sigv4Payload, TheContentSha256HeaderFollowsServiceModeAndOption) {
  const auto is_signed = [](const json::object& body) {
    return parse(body).bytes("A").canonical_request.find("\nx-amz-content-sha256:") !=
           std::string::npos;
  };
  EXPECT_TRUE(is_signed(s3_get()));
  EXPECT_FALSE(is_signed(api_get()));
  EXPECT_FALSE(is_signed(s3_get({{"content_sha256_header", false}})));
  EXPECT_TRUE(is_signed(api_get({{"content_sha256_header", true}})));
  EXPECT_FALSE(is_signed(s3_get({{"mode", "query"}, {"expires_in", 60}})));
  EXPECT_TRUE(
      complaint_of(s3_get({{"mode", "query"}, {"expires_in", 60}, {"content_sha256_header", true}}))
          .starts_with("content_sha256_header: "));
}

TEST(Sigv4Bytes, DeriveTheKeyOfOneDayRegionAndService) {
  const Sigv4Bytes bytes = parse(s3_get({{"time", "2015-08-30T12:36:00Z"}})).bytes("AKID");
  EXPECT_EQ(bytes.scope, "20150830/eu-west-1/s3/aws4_request");
  EXPECT_EQ(bytes.credential, "AKID/20150830/eu-west-1/s3/aws4_request");
  Strings chain;
  for (const Bytes& link : bytes.derivation) chain.emplace_back(as_text(link));
  EXPECT_EQ(chain, (Strings{"20150830", "eu-west-1", "s3", "aws4_request"}));
}

}  // namespace
}  // namespace holdfast::format
