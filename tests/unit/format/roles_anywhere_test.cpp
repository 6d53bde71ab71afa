#include "daemon/format/roles_anywhere.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast::format {
namespace {

const SystemTime kNow = *from_rfc3339("2026-01-01T00:00:00Z");
const std::string kRole = "arn:aws:iam::123456789012:role/apps/orders";
const std::string kProfile =
    "arn:aws:rolesanywhere:eu-west-1:123456789012:profile/01234567-89ab-cdef-0123-456789abcdef";
const std::string kAnchor =
    "arn:aws:rolesanywhere:eu-west-1:123456789012:trust-anchor/fedcba98-7654-3210-fedc-"
    "ba9876543210";

// With `changes` on top; a null takes a field away.
json::object body_with(const json::object& changes = {}) {
  json::object body{{"key", "orders"},
                    {"region", "eu-west-1"},
                    {"role_arn", kRole},
                    {"profile_arn", kProfile},
                    {"trust_anchor_arn", kAnchor}};
  for (const auto& [name, value] : changes)
    if (value.is_null())
      body.erase(name);
    else
      body[name] = value;
  return body;
}

RolesAnywhereRequest parse(const json::object& changes = {}) {
  return RolesAnywhereRequest::parse(body_with(changes), kNow);
}

std::string complaint_of(const json::object& changes) {
  try {
    parse(changes);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail() : "WRONG KIND";
  }
}

std::string fact(const RolesAnywhereRequest& request, std::string_view name) {
  const std::string* value = request.facts().find(name);
  return value == nullptr ? "-" : *value;
}

const CertificateHolder kHolder{Algorithm::es256, "123456789", {{1, 2, 3}, {4}, {5, 6}}};

// Written down by the rules of the documentation, not by this code.
TEST(RolesAnywhere, SignsTheRequestThatAwsDocuments) {
  const auto request = parse({{"session_name", "host-7"}, {"duration_seconds", 900}});
  const RolesAnywhereBytes bytes = request.bytes(kHolder);
  const std::string query =
      "profileArn=arn%3Aaws%3Arolesanywhere%3Aeu-west-1%3A123456789012%3Aprofile%2F"
      "01234567-89ab-cdef-0123-456789abcdef"
      "&roleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fapps%2Forders"
      "&trustAnchorArn=arn%3Aaws%3Arolesanywhere%3Aeu-west-1%3A123456789012%3Atrust-anchor%2F"
      "fedcba98-7654-3210-fedc-ba9876543210";
  EXPECT_EQ(bytes.canonical_request,
            "POST\n/sessions\n" + query +
                "\ncontent-type:application/json\nhost:rolesanywhere.eu-west-1.amazonaws.com\n"
                "x-amz-date:20260101T000000Z\nx-amz-x509:AQID\nx-amz-x509-chain:BA==,BQY=\n\n"
                "content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain\n" +
                sha256_hex(R"({"durationSeconds":900,"roleSessionName":"host-7"})"));
  EXPECT_EQ(bytes.string_to_sign,
            "AWS4-X509-ECDSA-SHA256\n20260101T000000Z\n20260101/eu-west-1/rolesanywhere/"
            "aws4_request\n" +
                sha256_hex(bytes.canonical_request));
  const json::object reply = request.reply(bytes, Bytes{0xAB, 0xCD});
  EXPECT_EQ(reply.at("method"), "POST");
  EXPECT_EQ(reply.at("url").as_string(),
            "https://rolesanywhere.eu-west-1.amazonaws.com/sessions?" + query);
  EXPECT_EQ(reply.at("body"), R"({"durationSeconds":900,"roleSessionName":"host-7"})");
  EXPECT_EQ(reply.at("headers").as_array().at(0),
            (json::array{"Authorization",
                         "AWS4-X509-ECDSA-SHA256 Credential=123456789/20260101/eu-west-1/"
                         "rolesanywhere/aws4_request, SignedHeaders=content-type;host;x-amz-date;"
                         "x-amz-x509;x-amz-x509-chain, Signature=abcd"}));
  EXPECT_EQ(reply.at("headers").as_array().size(), 5u);
  EXPECT_FALSE(reply.contains("string_to_sign"));
}

TEST(RolesAnywhere, SendsNoChainWhereTheLeafStandsAlone) {
  const RolesAnywhereBytes bytes = parse().bytes({Algorithm::rs256, "1", {{1}}});
  EXPECT_EQ(bytes.signed_headers, "content-type;host;x-amz-date;x-amz-x509");
  EXPECT_EQ(bytes.algorithm, "AWS4-X509-RSA-SHA256");
}

TEST(RolesAnywhere, SignsWithNoOtherAlgorithm) {
  EXPECT_THROW(parse().bytes({Algorithm::es384, "1", {{1}}}), Error);
  EXPECT_THROW(parse().bytes({Algorithm::ps256, "1", {{1}}}), Error);
}

TEST(RolesAnywhere, ShowsPolicyWhatIsAskedFor) {
  const auto request = parse({{"endpoint", "https://VPCE-1.example:8443"}});
  EXPECT_EQ(fact(request, "service"), "rolesanywhere");
  EXPECT_EQ(fact(request, "action"), "CreateSession");
  EXPECT_EQ(fact(request, "region"), "eu-west-1");
  EXPECT_EQ(fact(request, "host"), "vpce-1.example:8443");
  EXPECT_EQ(fact(request, "role"), kRole);
  EXPECT_EQ(fact(request, "profile"), kProfile);
  EXPECT_EQ(fact(request, "trust_anchor"), kAnchor);
  EXPECT_EQ(fact(request, "duration"), "3600");
  EXPECT_EQ(fact(request, "session_name"), "-");
  EXPECT_EQ(fact(parse({{"session_name", "ab"}}), "session_name"), "ab");
}

TEST(RolesAnywhere, KnowsTheEndpointOfChina) {
  const auto in_china = [](std::string text) {
    return text.replace(text.find("eu-west-1"), 9, "cn-north-1");
  };
  const auto request = parse({{"region", "cn-north-1"},
                              {"profile_arn", in_china(kProfile)},
                              {"trust_anchor_arn", in_china(kAnchor)}});
  EXPECT_EQ(fact(request, "host"), "rolesanywhere.cn-north-1.amazonaws.com.cn");
}

TEST(RolesAnywhere, MeasuresItsTimeAgainstTheClock) {
  EXPECT_EQ(parse({{"time", "2025-12-31T23:59:00Z"}}).skew(), std::chrono::seconds(60));
  EXPECT_EQ(parse().skew(), std::chrono::seconds(0));
}

TEST(RolesAnywhere, RefusesAnArnThatIsNone) {
  for (const std::string& role :
       {std::string("arn:aws:iam::123456789012:role/"), std::string("arn:aws:iam::123:role/x"),
        std::string("arn:aws:iam:eu-west-1:123456789012:role/x"),
        std::string("arn:aws:sts::123456789012:role/x"),
        std::string("arn:aws:iam::123456789012:user/x"),
        std::string("arn:AWS:iam::123456789012:role/x"),
        std::string("arn:evil:iam::123456789012:role/x"),
        std::string("arn:aws:iam::123456789012:role/a b/x"),
        std::string("arn:aws:iam::123456789012:role/a:b"),
        "arn:aws:iam::123456789012:role/" + std::string(65, 'x'), kRole + " ", std::string()})
    EXPECT_TRUE(complaint_of({{"role_arn", role}}).starts_with("role_arn:")) << role;
  EXPECT_EQ(complaint_of({{"role_arn", "arn:aws-us-gov:iam::123456789012:role/x"}}), "");
  for (const std::string& profile :
       {kAnchor, kProfile + "0", kProfile.substr(0, kProfile.size() - 1),
        std::string("arn:aws:rolesanywhere:eu-west-1:123456789012:profile/"
                    "01234567-89AB-cdef-0123-456789abcdef"),
        std::string("arn:aws:rolesanywhere::123456789012:profile/"
                    "01234567-89ab-cdef-0123-456789abcdef")})
    EXPECT_TRUE(complaint_of({{"profile_arn", profile}}).starts_with("profile_arn:")) << profile;
  EXPECT_EQ(complaint_of({{"trust_anchor_arn", kProfile}}).substr(0, 17), "trust_anchor_arn:");
  EXPECT_EQ(complaint_of({{"region", "us-east-1"}}),
            "profile_arn: is of another region than `region`");
}

TEST(RolesAnywhere, RefusesWhatIsOutOfBounds) {
  for (const json::object& change :
       std::initializer_list<json::object>{{{"duration_seconds", 899}},
                                           {{"duration_seconds", 43201}},
                                           {{"session_name", "x"}},
                                           {{"session_name", std::string(65, 'x')}},
                                           {{"session_name", "a/b"}},
                                           {{"session_name", ""}},
                                           {{"endpoint", "http://host"}},
                                           {{"endpoint", "https://host/"}},
                                           {{"endpoint", "https://host?x"}},
                                           {{"endpoint", "https://user@host"}},
                                           {{"time", "now"}},
                                           {{"key", nullptr}},
                                           {{"region", nullptr}},
                                           {{"role_arn", nullptr}},
                                           {{"profile_arn", nullptr}},
                                           {{"trust_anchor_arn", nullptr}},
                                           {{"url", "https://host"}}})
    EXPECT_TRUE(complaint_of(change).starts_with(change.begin()->key())) << json::serialize(change);
}

}  // namespace
}  // namespace holdfast::format
