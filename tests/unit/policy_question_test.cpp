#include "daemon/policy/question.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace holdfast::policy {
namespace {

using ::testing::Contains;
using namespace std::chrono_literals;

TEST(QuestionCaller, ReadsEachAttribute) {
  const Caller caller = caller_from(
      "uid=4000001,gid=27,group=root,unit=a.service,user_unit=b.service,exe=/usr/bin/a=b,"
      "exe_sha256=d,label=l,container=c,pod=p,security_label=s,nested=true");
  EXPECT_EQ(caller.uid, 4000001u);
  EXPECT_EQ(caller.gid, 27u);
  EXPECT_THAT(caller.groups, Contains(0u));
  EXPECT_EQ(caller.unit, "a.service");
  EXPECT_EQ(caller.user_unit, "b.service");
  EXPECT_EQ(caller.exe, "/usr/bin/a=b");
  EXPECT_EQ(caller.exe_sha256, "d");
  EXPECT_EQ(caller.label, "l");
  EXPECT_EQ(caller.container, "c");
  EXPECT_EQ(caller.pod, "p");
  EXPECT_EQ(caller.security_label, "s");
  EXPECT_TRUE(caller.nested);
  EXPECT_FALSE(caller_from("nested=false").nested);
  EXPECT_EQ(caller.user, "");
}

TEST(QuestionCaller, BringsTheUsersGroupsAlong) {
  for (const char* text : {"user=root", "uid=0", "user=root,uid=0", "uid=0,user=root"}) {
    const Caller root = caller_from(text);
    EXPECT_EQ(root.uid, 0u) << text;
    EXPECT_EQ(root.gid, 0u) << text;
    EXPECT_EQ(root.user, "root") << text;
  }
  EXPECT_EQ(caller_from("gid=5,user=root").gid, 5u);
}

TEST(QuestionCaller, WithoutAUserIsNobody) {
  EXPECT_EQ(caller_from("unit=a.service").uid, UINT32_MAX);
  EXPECT_EQ(caller_from("").gid, UINT32_MAX);
}

TEST(QuestionCaller, RefusesWhatItDoesNotKnow) {
  for (const char* text :
       {"uid", "=1", "uid=", "uid=x", "uid=1x", "uid=-1", "uid=4294967295", "uid=4294967296",
        "uid=1,uid=1", "pid=1", "user=no-such-user", "group=no-such-group", "uid=7,user=root",
        "user=root,uid=7", "unit=a,,uid=1", "nested=yes"})
    EXPECT_THROW(caller_from(text), Error) << text;
}

TEST(QuestionFacts, ReadsFactsSkewAndTtl) {
  const Asked asked = asked_from({"service=s3", "path=/a=b", "header.X-Amz-Acl=Private",
                                  "query.Prefix=", "skew=10m", "ttl=500ms"});
  ASSERT_NE(asked.facts.find("path"), nullptr);
  EXPECT_EQ(*asked.facts.find("path"), "/a=b");
  EXPECT_EQ(*asked.facts.find("header.x-amz-acl"), "Private");
  EXPECT_EQ(*asked.facts.find("query.Prefix"), "");
  EXPECT_EQ(asked.skew, 600s);
  EXPECT_EQ(asked.ttl, 1s);
}

TEST(QuestionFacts, RefusesNamesThatNoFormatHas) {
  for (const char* text : {"servce=s3", "path", "=x", "query.*=1", "skew=5", "ttl=x", "Header.a=1"})
    EXPECT_THROW(asked_from({text}), Error) << text;
}

TEST(QuestionFacts, ReadsTheTime) {
  EXPECT_EQ(asked_from({"at=2026-01-05T09:00:00Z"}).at, from_rfc3339("2026-01-05T09:00:00Z"));
  EXPECT_FALSE(asked_from({"service=s3"}).at);
  for (const char* bad : {"at=", "at=now", "at=2026-01-05"})
    EXPECT_THROW(asked_from({bad}), Error) << bad;
}

}  // namespace
}  // namespace holdfast::policy
