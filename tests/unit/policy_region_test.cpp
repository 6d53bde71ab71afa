// Sets of regions (SigV4A), whose elements may hold a wildcard.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/lint.h"
#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

Asked asking(const Texts& regions) {
  Asked asked{.facts = {{"service", "s3"}, {"method", "GET"}}};
  for (const std::string& region : regions) asked.facts.push_back({"region", region});
  return asked;
}

bool allowed_by(const std::string& region, const Texts& regions) {
  return allowed(allow("a", "facts = { region = " + region + " }"), asking(regions));
}

bool denied_by(const std::string& region, const Texts& regions) {
  const Decision decision =
      asking(regions).decide(*load(allow("a", "facts = { region = \"*\" }") +
                                   deny("no", "facts = { region = " + region + " }")));
  EXPECT_EQ(decision.allowed, !decision.denied) << decision.reason;
  return decision.denied;
}

TEST(PolicyRegion, HasToFitInEachElement) {
  EXPECT_TRUE(allowed_by("[\"eu-*\", \"us-east-1\"]", {"eu-west-1", "us-east-1"}));
  EXPECT_FALSE(allowed_by("\"eu-*\"", {"eu-west-1", "us-east-1"}));
}

TEST(PolicyRegion, WithAWildcardIsClosedUnlessNamed) {
  EXPECT_TRUE(allowed(allow("a"), asking({"eu-west-1", "us-east-1"})));
  EXPECT_FALSE(allowed(allow("a"), asking({"*"})));
  EXPECT_FALSE(allowed(allow("a"), asking({"eu-west-1", "eu-*"})));
  EXPECT_TRUE(allowed_by("\"*\"", {"*"}));
}

TEST(PolicyRegion, WithAWildcardIsAllowedWhereOnePatternTakesAllOfIt) {
  EXPECT_TRUE(allowed_by("\"eu-*\"", {"eu-*"}));
  EXPECT_TRUE(allowed_by("\"eu-*\"", {"eu-west-*"}));
  EXPECT_FALSE(allowed_by("\"eu-west-*\"", {"eu-*"}));
  EXPECT_FALSE(allowed_by("[\"eu-*\", \"us-*\"]", {"*"}));
  EXPECT_FALSE(allowed_by("{ is = \"*\", not = \"us-*\" }", {"*"}))
      << "it stands for us-east-1 too";
  EXPECT_FALSE(allowed_by("{ not = \"us-*\" }", {"*-east-1"}));
}

TEST(PolicyRegion, WithAWildcardSlipsPastNoDeny) {
  EXPECT_TRUE(denied_by("\"us-*\"", {"*"}));
  EXPECT_TRUE(denied_by("\"us-east-1\"", {"eu-west-1", "us-*"}));
  EXPECT_TRUE(denied_by("\"us-*\"", {"eu-*"})) << "what it stands for is not worked out";
  EXPECT_FALSE(denied_by("\"us-*\"", {"eu-west-1"}));
  EXPECT_FALSE(denied_by("{ not = \"eu-*\" }", {"eu-west-*"})) << "all of it is excepted";
  EXPECT_TRUE(denied_by("{ not = \"eu-*\" }", {"*"}));
}

TEST(PolicyRegion, AWildcardIsNoneOfThoseThatAGrantWithoutRegionCovers) {
  const auto warns = [](const std::string& region) {
    for (const Warning& warning :
         lint({{"h.toml", allow("a", "facts = { method = \"GET\" }") +
                              allow("b", "facts = { method = \"GET\", region = " + region + " }")}},
              {}, {}))
      if (warning.code == "unreachable") return true;
    return false;
  };
  EXPECT_TRUE(warns("\"eu-west-1\""));
  EXPECT_FALSE(warns("\"eu-*\""));
}

}  // namespace
}  // namespace holdfast::policy
