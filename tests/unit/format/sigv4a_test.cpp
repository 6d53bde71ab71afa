// SigV4A: a set of regions instead of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

using ::testing::HasSubstr;

json::object s3_get_of(json::array regions, json::object changes = {}) {
  changes["region"] = nullptr;
  changes["region_set"] = std::move(regions);
  return s3_get(changes);
}

TEST(Sigv4a, SignsTheSetAndHasNoRegionInItsScope) {
  const auto request = parse(s3_get_of({"us-east-1", "eu-*"}));
  EXPECT_TRUE(request.is_asymmetric());
  const Sigv4Bytes bytes = request.bytes("AKID");
  EXPECT_EQ(bytes.scope, "20260101/s3/aws4_request");
  EXPECT_TRUE(bytes.derivation.empty());
  EXPECT_THAT(bytes.string_to_sign, HasSubstr("AWS4-ECDSA-P256-SHA256\n20260101T000000Z\n"));
  EXPECT_THAT(bytes.canonical_request, HasSubstr("\nx-amz-region-set:us-east-1,eu-*\n"));
  const json::object reply = request.reply(bytes, "3045");
  EXPECT_EQ(reply.at("signed_headers"), "host;x-amz-content-sha256;x-amz-date;x-amz-region-set");
  EXPECT_EQ(reply.at("headers").as_array().at(0),
            header("Authorization",
                   "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/s3/aws4_request, "
                   "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set, "
                   "Signature=3045"));
  EXPECT_EQ(reply.at("headers").as_array().at(2), header("X-Amz-Region-Set", "us-east-1,eu-*"));
}

TEST(Sigv4a, HasTheSetInAPresignedUrl) {
  const auto request = parse(s3_get_of({"*"}, {{"mode", "query"}, {"expires_in", 60}}));
  const Sigv4Bytes bytes = request.bytes("AKID");
  EXPECT_THAT(bytes.canonical_request,
              HasSubstr("&X-Amz-Region-Set=%2A&X-Amz-SignedHeaders=host\n"));
  EXPECT_THAT(std::string(request.reply(bytes, "3045").at("url").as_string()),
              HasSubstr("&X-Amz-Region-Set=%2A&X-Amz-Signature=3045"));
}

TEST(Sigv4a, ShowsEachRegionToPolicy) {
  EXPECT_EQ(values(parse(s3_get_of({"us-east-1", "eu-*"})), "region"),
            (Strings{"us-east-1", "eu-*"}));
  EXPECT_EQ(values(parse(s3_get()), "region"), Strings{"eu-west-1"});
}

TEST(Sigv4a, RefusesWhatIsNoSetOfRegions) {
  json::object both = s3_get();
  both["region_set"] = json::array{"eu-west-1"};
  EXPECT_THAT(complaint_of(both), HasSubstr("region exclude each other"));
  for (const json::value& bad :
       {json::value(json::array{}), json::value("eu-west-1"), json::value(json::array{""}),
        json::value(json::array{"eu-west-1,us-east-1"}), json::value(json::array{"EU"}),
        json::value(json::array{1}), json::value(json::array(17, json::value("eu-west-1"))),
        json::value(json::array{std::string(65, 'a')})}) {
    json::object body = s3_get({{"region", nullptr}});
    body["region_set"] = bad;
    EXPECT_THAT(complaint_of(body), HasSubstr("region_set: ")) << bad;
  }
  EXPECT_THAT(complaint_of(s3_get({{"region", "eu-*"}})), HasSubstr("region: "));
}

TEST(Sigv4a, KeepsTheSetsHeaderAndParameterToItself) {
  for (const json::object& body : {s3_get(), s3_get_of({"*"})}) {
    json::object with_header = body, with_parameter = body;
    with_header["headers"] = {header("X-Amz-Region-Set", "*")};
    EXPECT_THAT(complaint_of(with_header), HasSubstr("use `region_set`"));
    with_parameter["url"] = "https://bucket.s3.eu-west-1.amazonaws.com/a?x-Amz-region-set=*";
    EXPECT_THAT(complaint_of(with_parameter), HasSubstr("x-amz-region-set"));
  }
}

TEST(Sigv4a, SignsNoChunksOfSigv4) {
  for (const char* payload :
       {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"})
    EXPECT_THAT(complaint_of(s3_get_of({"*"}, {{"payload_sha256", payload}})),
                HasSubstr("payload_sha256: "));
  EXPECT_EQ(
      complaint_of(s3_get_of({"*"}, {{"payload_sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}})),
      "");
}

}  // namespace
}  // namespace holdfast::format
