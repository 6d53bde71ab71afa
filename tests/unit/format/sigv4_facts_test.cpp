#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

std::string listing(const json::object& body) {
  const auto request = parse(body);
  std::string text;
  for (const Fact& fact : request.facts().all()) text += fact.name + "=" + fact.value + "\n";
  return text;
}

TEST(Sigv4Facts, AreAllThatIsSignedAndNothingElse) {
  EXPECT_EQ(
      listing(s3_get(
          {{"url", "https://orders-1.S3.eu-west-1.amazonaws.com/invoices/%C3%A4.pdf?versionId=1"},
           {"headers", {header("Range", "bytes=0-9"), header("Accept", "*/*")}},
           {"session_token", "canary"},
           {"explain", true}})),
      "service=s3\nregion=eu-west-1\nmethod=GET\nhost=orders-1.s3.eu-west-1.amazonaws.com\n"
      "path=/invoices/\xC3\xA4.pdf\nbucket=orders-1\nquery.versionId=1\nheader.range=bytes=0-9\n"
      "payload=signed\nmode=header\n");
  EXPECT_EQ(listing(s3_get({{"service", "sts"},
                            {"method", "POST"},
                            {"url", "https://sts.amazonaws.com/"},
                            {"body", to_base64(as_bytes("Action=GetCallerIdentity"))},
                            {"mode", "query"},
                            {"expires_in", 900}})),
            "service=sts\nregion=eu-west-1\nmethod=POST\nhost=sts.amazonaws.com\npath=/\n"
            "action=GetCallerIdentity\npayload=signed\nmode=query\nexpires_in=900\n");
  EXPECT_EQ(listing(s3_get(
                {{"url", "http://127.0.0.1:8080/seg//k%2F"}, {"content_sha256_header", false}})),
            "service=s3\nregion=eu-west-1\nmethod=GET\nhost=127.0.0.1:8080\npath=/seg//k/"
            "\nencoded_path=true\n"
            "bucket=seg\npayload=signed\nmode=header\nsigning_options=true\n");
}

TEST(Sigv4Facts, PayloadIsSignedUnsignedOrStreaming) {
  const auto payload = [](const char* text) {
    const json::array headers{header("X-Amz-Decoded-Content-Length", "1"),
                              header("X-Amz-Trailer", "x-amz-checksum-crc32")};
    return values(parse(s3_get({{"payload_sha256", text}, {"headers", headers}})), "payload").at(0);
  };
  EXPECT_EQ(payload(std::string(64, 'a').c_str()), "signed");
  EXPECT_EQ(payload("UNSIGNED-PAYLOAD"), "unsigned");
  for (const char* text :
       {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
    EXPECT_EQ(payload(text), "streaming");
  EXPECT_EQ(values(parse(s3_get({{"mode", "query"}, {"expires_in", 1}})), "payload"),
            Strings{"unsigned"});
  EXPECT_EQ(values(parse(api_get({{"mode", "query"}, {"expires_in", 1}})), "payload"),
            Strings{"signed"});
}

TEST(Sigv4Facts, BucketIsForS3Alone) {
  EXPECT_EQ(values(parse(api_get()), "bucket"), Strings{});
  EXPECT_EQ(values(parse(s3_get({{"url", "https://s3.amazonaws.com/"}})), "bucket"), Strings{});
  EXPECT_EQ(values(parse(s3_get({{"url", "https://s3.amazonaws.com"}})), "bucket"), Strings{});
}

TEST(Sigv4Skew, IsTheDistanceFromNowEitherWay) {
  const auto skew = [](const char* time) { return parse(s3_get({{"time", time}})).skew().count(); };
  EXPECT_EQ(skew("2026-01-01T00:00:00Z"), 0);
  EXPECT_EQ(skew("2026-01-01T00:05:00Z"), 300);
  EXPECT_EQ(skew("2025-12-31T23:55:00Z"), 300);
  EXPECT_EQ(skew("1970-01-01T00:00:00Z"), 1767225600);
  EXPECT_EQ(skew("2261-12-31T23:59:59Z"), 7447420799);
  const auto late = Sigv4Request::parse(s3_get(), kNow + std::chrono::milliseconds(999));
  EXPECT_EQ(late.skew().count(), 0);
  EXPECT_NE(late.bytes("A").string_to_sign.find("\n20260101T000000Z\n"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::format
