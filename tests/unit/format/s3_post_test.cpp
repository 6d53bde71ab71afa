#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/format/s3_post_request.h"

namespace holdfast::format {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html, as it is printed there.
constexpr std::string_view kPublishedPolicy =
    "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7"
    "ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91"
    "c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3Qi"
    "OiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwi"
    "fSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRh"
    "LXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVT"
    "MjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNy"
    "ZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9"
    "LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAi"
    "MjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";
constexpr std::string_view kPublishedSignature =
    "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";

S3PostRequest published() {
  return parse_form(
      {{"region", "us-east-1"},
       {"bucket", "sigv4examplebucket"},
       {"object", nullptr},
       {"object_prefix", "user/user1/"},
       {"time", "2015-12-29T00:00:00Z"},
       {"expires_in", 36 * 3600},
       {"fields",
        {header("acl", "public-read"),
         header("success_action_redirect",
                "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"),
         header("x-amz-meta-uuid", "14365123651274"),
         header("x-amz-server-side-encryption", "AES256")}},
       {"starts_with", {header("Content-Type", "image/"), header("x-amz-meta-tag", "")}}});
}

Strings conditions_of(const std::string& policy) {
  Strings texts;
  const json::object document = parse_json_object(policy);
  for (const json::value& condition : document.at("conditions").as_array())
    texts.push_back(json::serialize(condition));
  std::ranges::sort(texts);
  return texts;
}

TEST(S3PostFormat, SignsThePublishedPolicyAsPublished) {
  Sigv4ToSign to_sign = sigv4_scope("20151229T000000Z", "us-east-1", "s3", "AKIAIOSFODNN7EXAMPLE");
  to_sign.string_to_sign = kPublishedPolicy;
  EXPECT_EQ(signature_of(to_sign, kSecret), kPublishedSignature);
}

TEST(S3PostFormat, MakesOfThePublishedExampleTheSameConditions) {
  const Bytes document = from_base64(kPublishedPolicy).value();
  const S3PostBytes bytes = published().bytes("AKIAIOSFODNN7EXAMPLE");
  EXPECT_EQ(conditions_of(bytes.policy), conditions_of(std::string(as_text(document))));
  EXPECT_THAT(bytes.policy, StartsWith(R"({"expiration":"2015-12-30T12:00:00Z",)"));
  Sigv4ToSign scope = sigv4_scope("20151229T000000Z", "us-east-1", "s3", "AKIAIOSFODNN7EXAMPLE");
  EXPECT_EQ(bytes.scope, scope.scope);
  EXPECT_EQ(bytes.derivation, scope.derivation);
}

TEST(S3PostFormat, WritesPolicyAndFormToTheByte) {
  const S3PostRequest request = parse_form({{"content_length_range", {1, 1000}},
                                            {"fields", {header("Content-Type", "image/png")}},
                                            {"session_token", "tok+en"},
                                            {"explain", true}});
  const S3PostBytes bytes = request.bytes("AKID");
  const std::string policy =
      R"({"expiration":"2026-01-01T00:15:00Z","conditions":[{"bucket":"orders-in"},)"
      R"({"key":"user/17/photo.png"},{"Content-Type":"image/png"},)"
      R"(["content-length-range",1,1000],{"x-amz-algorithm":"AWS4-HMAC-SHA256"},)"
      R"({"x-amz-credential":"AKID/20260101/eu-west-1/s3/aws4_request"},)"
      R"({"x-amz-date":"20260101T000000Z"},{"x-amz-security-token":"tok+en"}]})";
  EXPECT_EQ(bytes.policy, policy);
  const std::string to_sign = to_base64(as_bytes(policy));
  EXPECT_EQ(bytes.string_to_sign, to_sign);
  const json::object wanted{
      {"url", "https://orders-in.s3.eu-west-1.amazonaws.com/"},
      {"fields",
       {header("key", "user/17/photo.png"), header("Content-Type", "image/png"),
        header("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        header("x-amz-credential", "AKID/20260101/eu-west-1/s3/aws4_request"),
        header("x-amz-date", "20260101T000000Z"), header("x-amz-security-token", "tok+en"),
        header("policy", to_sign), header("x-amz-signature", "beef")}},
      {"signature", "beef"},
      {"policy_document", policy}};
  EXPECT_EQ(request.reply(bytes, "beef"), wanted);
}

TEST(S3PostFormat, LeavesTheFilesNameToS3BehindAPrefix) {
  const S3PostRequest request = parse_form({{"object", nullptr}, {"object_prefix", "user/"}});
  const S3PostBytes bytes = request.bytes("AKID");
  EXPECT_THAT(conditions_of(bytes.policy), Contains(R"(["starts-with","$key","user/"])"));
  EXPECT_EQ(request.reply(bytes, "0").at("fields").as_array().at(0),
            header("key", "user/${filename}"));
  EXPECT_FALSE(request.reply(bytes, "0").contains("policy_document"));
  EXPECT_THAT(facts_of(request), Contains("path_prefix=/user/"));
  EXPECT_THAT(facts_of(request), Not(Contains(StartsWith("path="))));
}

// "Character Escaping" of the POST policy's page.
TEST(S3PostFormat, EscapesDollarsAndAllBeyondAscii) {
  EXPECT_EQ(policy_text("a\"b\\c$d/ \xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"),
            R"("a\"b\\c\u0024d/ \u00e4\u20ac\ud83d\ude00")");
  const S3PostRequest request = parse_form({{"object", "a$b{\xF0\x9F\x98\x80}\"\\"}});
  const json::object document = parse_json_object(request.bytes("AKID$").policy);
  EXPECT_EQ(document.at("conditions").at(1).at("key"), "a$b{\xF0\x9F\x98\x80}\"\\");
  EXPECT_EQ(document.at("conditions").at(3).at("x-amz-credential"),
            "AKID$/20260101/eu-west-1/s3/aws4_request");
}

TEST(S3PostFormat, NamesAwssUrlOfTheBucketUnlessTold) {
  const auto url_of = [](const json::object& changes) {
    const S3PostRequest request = parse_form(changes);
    return std::string(request.reply(request.bytes("A"), "").at("url").as_string());
  };
  EXPECT_EQ(url_of({{"bucket", "a.b.c"}}), "https://s3.eu-west-1.amazonaws.com/a.b.c");
  EXPECT_EQ(url_of({{"region", "cn-north-1"}}),
            "https://orders-in.s3.cn-north-1.amazonaws.com.cn/");
  EXPECT_EQ(url_of({{"region", "eusc-de-east-1"}}),
            "https://orders-in.s3.eusc-de-east-1.amazonaws.eu/");
  for (const char* url : {"http://127.0.0.1:8080/orders-in", "https://files.example.com",
                          "https://orders-in.s3.dualstack.eu-west-1.amazonaws.com"})
    EXPECT_EQ(url_of({{"url", url}}), url);
}

TEST(S3PostFacts, AreWhatIsSigned) {
  EXPECT_THAT(facts_of(parse_form()),
              ElementsAre("service=s3", "region=eu-west-1", "method=POST",
                          "host=orders-in.s3.eu-west-1.amazonaws.com", "path=/user/17/photo.png",
                          "bucket=orders-in", "payload=unsigned", "mode=post", "expires_in=900"));
  EXPECT_THAT(
      facts_of(published()),
      ElementsAre("service=s3", "region=us-east-1", "method=POST",
                  "host=sigv4examplebucket.s3.us-east-1.amazonaws.com", "path_prefix=/user/user1/",
                  "bucket=sigv4examplebucket", "payload=unsigned", "mode=post", "expires_in=129600",
                  "header.x-amz-acl=public-read",
                  "field.success_action_redirect=http://"
                  "sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
                  "header.x-amz-meta-uuid=14365123651274",
                  "header.x-amz-server-side-encryption=AES256", "starts_with.content-type=image/",
                  "starts_with.x-amz-meta-tag="));
  EXPECT_THAT(facts_of(parse_form({{"content_length_range", {0, 5368709120}}})),
              Contains("content_length_max=5368709120"));
  for (const char* name : {"Cache-Control", "Content-Disposition", "content-encoding", "EXPIRES"})
    EXPECT_THAT(facts_of(parse_form({{"fields", {header(name, "v")}}})),
                Contains("header." + lower(name) + "=v"));
  EXPECT_THAT(facts_of(parse_form({{"starts_with", {header("acl", "p")}}})),
              Contains("starts_with.x-amz-acl=p"));
  EXPECT_THAT(
      facts_of(
          parse_form({{"fields", {header("X-Amz-Server-Side-Encryption-Customer-Key", "s")}}})),
      Contains("header.x-amz-server-side-encryption-customer-key=sha256:" + sha256_hex("s")));
}

TEST(S3PostFacts, CallAPathEncodedThatAServerMightReadOtherwise) {
  for (const char* object : {"a/../b", "./a", "/a", "a//b", ".."})
    EXPECT_THAT(facts_of(parse_form({{"object", object}})), Contains("encoded_path=true"))
        << object;
  for (const char* object : {"a/b", "a+b", "a%2Fb", "a..b", "a/"})
    EXPECT_THAT(facts_of(parse_form({{"object", object}})), Not(Contains("encoded_path=true")))
        << object;
  EXPECT_THAT(facts_of(parse_form({{"object", nullptr}, {"object_prefix", "a/../"}})),
              Contains("encoded_path=true"));
  EXPECT_THAT(facts_of(parse_form({{"object", "\xC3\xA4 %41"}})), Contains("path=/\xC3\xA4 %41"));
}

TEST(S3PostFormat, CountsItsTimeFromTheRequests) {
  const S3PostRequest request = parse_form({{"time", "2026-01-01T01:00:00Z"}});
  EXPECT_EQ(request.skew(), std::chrono::seconds(3600));
  EXPECT_THAT(request.bytes("A").policy, StartsWith(R"({"expiration":"2026-01-01T01:15:00Z")"));
}

}  // namespace
}  // namespace holdfast::format
