#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

json::object reply_to(const json::object& body) {
  const auto request = parse(body);
  return request.reply(request.bytes("AKID"), "5161");
}
json::object presigned(const std::string& url) {
  return s3_get({{"url", url}, {"mode", "query"}, {"expires_in", 900}});
}

TEST(Sigv4Reply, HasTheHeadersToAddInAFixedOrder) {
  const std::string authorization =
      "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/s3/aws4_request, "
      "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token, "
      "Signature=5161";
  const json::object body =
      s3_get({{"headers", {header("Range", "bytes=0-9")}}, {"session_token", "token"}});
  EXPECT_EQ(
      reply_to(body),
      (json::object{
          {"headers",
           {header("Authorization", authorization), header("X-Amz-Date", "20260101T000000Z"),
            header("X-Amz-Security-Token", "token"), header("X-Amz-Content-Sha256", kEmptyHash)}},
          {"url", body.at("url")},
          {"signature", "5161"},
          {"signed_headers", "host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token"}}));
}

TEST(Sigv4Reply, LeavesOutWhatWasNotAdded) {
  EXPECT_EQ(reply_to(api_get()).at("headers").as_array().size(), 2u);
  EXPECT_EQ(reply_to(s3_get({{"headers", {header("X-Amz-Content-Sha256", kEmptyHash)}}}))
                .at("headers")
                .as_array()
                .size(),
            2u);
}

TEST(Sigv4Reply, IsAPresignedUrlInModeQuery) {
  json::object body = presigned("https://h/a%20b?versionId=1");
  body["session_token"] = "to/ken=";
  body["headers"] = {header("Range", "bytes=0-9")};
  EXPECT_EQ(reply_to(body),
            (json::object{
                {"headers", json::array{}},
                {"url",
                 "https://h/a%20b?versionId=1&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                 "&X-Amz-Credential=AKID%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
                 "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host%3Brange"
                 "&X-Amz-Security-Token=to%2Fken%3D&X-Amz-Signature=5161"},
                {"signature", "5161"},
                {"signed_headers", "host;range"}}));
}

TEST(Sigv4Reply, AppendsToWhateverTheUrlEndsWith) {
  const auto start = [](const char* url) {
    const std::string text(reply_to(presigned(url)).at("url").as_string());
    return text.substr(0, text.find("X-Amz-Algorithm"));
  };
  EXPECT_EQ(start("https://h"), "https://h/?");
  EXPECT_EQ(start("https://h/"), "https://h/?");
  EXPECT_EQ(start("https://h?"), "https://h/?");
  EXPECT_EQ(start("https://h?a=1"), "https://h/?a=1&");
  EXPECT_EQ(start("https://h/k?"), "https://h/k?");
  EXPECT_EQ(start("https://h/k?a"), "https://h/k?a&");
  EXPECT_EQ(start("https://h/k?a=1?"), "https://h/k?a=1?&");
}

TEST(Sigv4Reply, ExplainsOnlyWhenAsked) {
  EXPECT_FALSE(reply_to(s3_get({{"explain", false}})).contains("canonical_request"));
  const auto body = s3_get({{"explain", true}});
  const Sigv4Bytes bytes = parse(body).bytes("AKID");
  EXPECT_EQ(reply_to(body).at("canonical_request").as_string(), bytes.canonical_request);
  EXPECT_EQ(reply_to(body).at("string_to_sign").as_string(), bytes.string_to_sign);
}

}  // namespace
}  // namespace holdfast::format
