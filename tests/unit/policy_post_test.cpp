// Forms for uploads to S3: what the policy document leaves to whoever uploads slips past no grant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/vocabulary.h"
#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

using ::testing::HasSubstr;

const Pairs kExact{{"service", "s3"}, {"region", "eu-west-1"}, {"method", "POST"},
                   {"host", "h"},     {"path", "/user/17/a"},  {"bucket", "in"},
                   {"mode", "post"},  {"payload", "unsigned"}, {"expires_in", "900"}};

Pairs with(const Pairs& more) {
  Pairs facts = kExact;
  facts.insert(facts.end(), more.begin(), more.end());
  return facts;
}

// The same for all objects below a prefix.
Pairs below(const std::string& prefix, const Pairs& more = {}) {
  Pairs facts = with(more);
  facts[4] = {"path_prefix", prefix};
  return facts;
}

Decision decide(const std::string& grants, const Pairs& facts) {
  return Asked{.facts = facts}.decide(*load(grants));
}

bool allowed(const std::string& rules, const Pairs& facts) {
  return decide(allow("a", "facts = { " + rules + " }"), facts).allowed;
}

// Of one that is allowed otherwise, whatever it leaves open.
bool denied(const std::string& rules, const Pairs& facts) {
  const std::string open = allow("a", "facts = { mode = \"post\", \"starts_with.*\" = \"**\" }");
  EXPECT_TRUE(decide(open, facts).allowed);
  return decide(open + deny("d", "facts = { " + rules + " }"), facts).denied;
}

TEST(PolicyPost, IsClosedUnlessTheModeIsNamed) {
  for (const char* rules : {"", "service = \"s3\", bucket = \"in\", path = \"/user/**\"",
                            "mode = \"query\"", "mode = [\"header\", \"query\"]"})
    EXPECT_FALSE(allowed(rules, kExact)) << rules;
  EXPECT_THAT(decide(allow("a"), kExact).reason,
              HasSubstr("\"mode\" was \"post\", which a grant has to name"));
  for (const char* rules :
       {"mode = \"post\"", "mode = [\"query\", \"post\"]", "mode = { not = \"query\" }"})
    EXPECT_TRUE(allowed(rules, kExact)) << rules;
}

TEST(PolicyPost, TellsAnObjectFromAPrefix) {
  const std::string exact = "mode = \"post\", path = \"/user/**\"";
  const std::string prefix = "mode = \"post\", path_prefix = \"/user/**\"";
  EXPECT_TRUE(allowed(exact, kExact));
  EXPECT_FALSE(allowed(exact, below("/user/17/")));
  EXPECT_TRUE(allowed(prefix, below("/user/17/")));
  EXPECT_TRUE(allowed(prefix, below("/user/")));
  EXPECT_FALSE(allowed(prefix, below("/use")));
  EXPECT_FALSE(allowed(prefix, below("/")));
  EXPECT_FALSE(allowed(prefix, kExact));
}

TEST(PolicyPost, IsDeniedWhereAPrefixMayCoverADeniedPath) {
  EXPECT_TRUE(denied("path = \"/secret/**\"", below("/")));
  EXPECT_TRUE(denied("path = \"/secret/**\"", below("/user/")));
  EXPECT_FALSE(denied("path = \"/secret/**\"", kExact));
  EXPECT_TRUE(denied("path = \"/user/**\"", kExact));
  EXPECT_TRUE(denied("path_prefix = \"/\"", below("/")));
  EXPECT_FALSE(denied("path_prefix = \"/\"", below("/user/")));
  EXPECT_FALSE(denied("path_prefix = \"**\"", kExact));
  const Pairs get{{"service", "s3"}, {"path", "/a"}, {"mode", "header"}};
  EXPECT_FALSE(Asked{.facts = get}
                   .decide(*load(allow("a") + deny("d", "facts = { path_prefix = \"**\" }")))
                   .denied);
}

TEST(PolicyPost, BoundsTheLength) {
  const std::string most = "mode = \"post\", content_length_max = 1000";
  EXPECT_TRUE(allowed(most, with({{"content_length_max", "1000"}})));
  EXPECT_FALSE(allowed(most, with({{"content_length_max", "1001"}})));
  EXPECT_FALSE(allowed(most, kExact));
  EXPECT_TRUE(allowed("mode = \"post\", content_length_max = 5368709120",
                      with({{"content_length_max", "5368709120"}})));
  const std::string large = "content_length_max = { min = 1001 }";
  EXPECT_TRUE(denied(large, with({{"content_length_max", "1001"}})));
  EXPECT_FALSE(denied(large, with({{"content_length_max", "1000"}})));
  EXPECT_TRUE(denied(large, kExact)) << "without a range any length may come";
  const Pairs get{{"service", "s3"}, {"path", "/a"}, {"mode", "header"}};
  EXPECT_FALSE(Asked{.facts = get}
                   .decide(*load(allow("a") + deny("d", "facts = { " + large + " }")))
                   .denied);
}

TEST(PolicyPost, OpensAFieldOnlyWhereItsBeginningIsNamed) {
  const Pairs open = with({{"starts_with.content-type", "image/"}});
  EXPECT_FALSE(allowed("mode = \"post\"", open));
  EXPECT_FALSE(allowed("mode = \"post\", \"header.content-type\" = \"image/**\"", open));
  EXPECT_TRUE(allowed("mode = \"post\", \"starts_with.Content-Type\" = \"image/**\"", open));
  EXPECT_TRUE(allowed("mode = \"post\", \"starts_with.*\" = \"**\"", open));
  EXPECT_FALSE(allowed("mode = \"post\", \"starts_with.content-type\" = \"text/**\"", open));
  EXPECT_TRUE(allowed("mode = \"post\", \"header.content-type\" = \"image/**\"",
                      with({{"header.content-type", "image/png"}})));
  EXPECT_TRUE(allowed("mode = \"post\", \"field.Redirect\" = \"https://a/**\"",
                      with({{"field.redirect", "https://a/b"}})));
}

TEST(PolicyPost, TakesAFieldThatIsLeftOpenForOneThatMayBeThere) {
  const std::string opened = "mode = \"post\", \"starts_with.*\" = \"**\", ";
  const Pairs acl = with({{"starts_with.x-amz-acl", ""}});
  EXPECT_FALSE(allowed(opened + "\"header.x-amz-acl\" = false", acl));
  EXPECT_FALSE(allowed(opened + "\"header.*\" = false", acl));
  EXPECT_FALSE(allowed(opened + "\"field.x-amz-acl\" = false", acl));
  EXPECT_TRUE(allowed(opened + "\"header.x-amz-tagging\" = false", acl));
  EXPECT_TRUE(allowed(opened + "\"query.*\" = false", acl));
  EXPECT_FALSE(allowed(opened + "\"header.x-amz-acl\" = \"private\"", acl));

  EXPECT_TRUE(denied("\"header.x-amz-acl\" = \"public-*\"", acl));
  EXPECT_TRUE(denied("\"header.*\" = \"public-*\"", acl));
  EXPECT_TRUE(denied("\"header.x-amz-acl\" = false", acl));
  EXPECT_FALSE(denied("\"header.x-amz-tagging\" = \"**\"", acl));
  EXPECT_FALSE(denied("\"header.x-amz-acl\" = \"public-*\"", kExact));
  EXPECT_FALSE(
      denied("\"header.x-amz-acl\" = \"public-*\"", with({{"header.x-amz-acl", "private"}})));
  EXPECT_TRUE(
      denied("\"header.x-amz-acl\" = \"public-*\"", with({{"header.x-amz-acl", "public-read"}})));
}

TEST(PolicyPost, WhatAQuestionLeavesOutIsNotSurelyAbsent) {
  const auto absent = [](const char* name, const Pairs& pairs) {
    Facts facts;
    for (const auto& [of, value] : pairs) facts.add(of, value);
    return is_surely_absent(name, facts, false);
  };
  EXPECT_FALSE(absent("path_prefix", {{"mode", "post"}}));
  EXPECT_TRUE(absent("path_prefix", {{"mode", "post"}, {"path", "/a"}}));
  EXPECT_TRUE(absent("path_prefix", {{"mode", "header"}}));
  EXPECT_FALSE(absent("content_length_max", {{"mode", "post"}}));
  EXPECT_TRUE(absent("content_length_max", {{"mode", "query"}}));
  // Of no request that there is, nothing is known.
  EXPECT_FALSE(absent("method", {{"bucket", "b"}, {"audience", "https://a"}}));
}

}  // namespace
}  // namespace holdfast::policy
