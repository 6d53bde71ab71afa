// Patterns that no request's fact could match: a grant that denies by one would be without effect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PolicyValue, IsRefusedWhereNoRequestCouldHaveIt) {
  for (const auto& [fact, remedy] : std::vector<std::pair<std::string, std::string>>{
           {"method = \"delete\"", "capital letters"},
           {"method = [\"GET\", \"Put*\"]", "capital"},
           {"service = \"S3\"", "small letters"},
           {"region = \"EU-*\"", "small letters"},
           {"path = \"secret/**\"", "begins with /"},
           {"path = { not = \"a\" }", "begins with /"},
           {"host = \"https://evil.example\"", "alone"},
           {"host = \"10.0.0.0/8\"", "{ cidr ="},
           {"host = \"b\u00FCcher.example\"", "xn--"},
           {"\"header.x-amz-copy-source\" = \"*/x\"", "slash at its head"},
           {"mode = \"presigned\"", "\"query\""},
           {"payload = \"none\"", "\"unsigned\""}}) {
    const std::string facts = "facts = { " + fact + " }";
    EXPECT_THAT(complaint(deny("no", facts)), AllOf(HasSubstr("never matches"), HasSubstr(remedy)))
        << fact;
    EXPECT_THAT(complaint(allow("a", facts)), HasSubstr("never matches")) << fact;
  }
}

TEST(PolicyValue, IsTakenWhereSomeRequestCouldHaveIt) {
  for (const char* fact :
       {"method = [\"GET\", \"M-*\", \"*\"]", "service = \"s3*\"", "region = \"*-1\"",
        "path = \"**/x\"", "path = \"{exe}/x\"", "path = \"/A\"",
        "host = [\"A.example:443\", \"[::1]\"]", "mode = \"q*\"",
        "payload = [\"signed\", \"unsigned\", \"streaming\"]", "mode = [\"header\", \"query\"]",
        "bucket = \"Old_Bucket\"", "\"header.x-amz-copy-source\" = [\"/own/*\", \"**/x\"]"})
    EXPECT_EQ(complaint(deny("no", "facts = { " + std::string(fact) + " }")), "") << fact;
}

}  // namespace
}  // namespace holdfast::policy
