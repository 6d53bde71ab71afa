// Requests of the past, as the daemon's socket and the log tell of them.
#include "daemon/policy/past.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/policy/quote.h"
#include "daemon/policy/suggest.h"

namespace holdfast::policy {
namespace {

using ::testing::HasSubstr;

const char* const kRequest =
    R"({"request_id":"r1","audit_seq":7,"time":"2026-01-05T09:00:00.123456Z",
"operation":"token.jwt","key":"k","decision":"deny","code":"not_permitted","policy_digest":"ab","reason":"why","grant":"no",
"caller":{"pid":1,"uid":0,"gid":5,"user":"root","unit":"a.service","user_unit":"b.service","exe":"/a","label":"l"},
"facts":[["audience","x"]],"facts_cut":1,"skew_seconds":3,"ttl_seconds":60})";
const char* const kRecord =
    R"({"seq":7,"time":"2026-01-05T09:00:00.123456Z","decision":"denied","code":"not_permitted",
"operation":"token.jwt","key":"k","policy_digest":"ab","details":{"request_id":"r1","grant":"no","reason":"why",
"caller":{"uid":0,"gid":5,"user":"root","unit":"a.service","user_unit":"b.service","exe":"/a","label":"l"},
"facts":[["audience","x"]],"facts_cut":1,"skew_seconds":3,"ttl_seconds":60}})";

std::string complaint(const std::string& text) {
  try {
    read_past_request(parse_json_object(text));
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.detail();
  }
}

TEST(PastRequest, IsReadFromARequestAndFromARecord) {
  for (const char* text : {kRequest, kRecord}) {
    const PastRequest past = read_past_request(parse_json_object(text));
    EXPECT_EQ(past.id, "r1");
    EXPECT_EQ(past.grant, "no");
    EXPECT_EQ(past.reason, "why");
    EXPECT_EQ(past.policy_digest, "ab");
    EXPECT_TRUE(past.facts_cut);
    EXPECT_EQ(past.caller.gid, 5u);
    EXPECT_EQ(past.caller.exe, "/a");
    const Question question = past.question();
    EXPECT_EQ(question.key, "k");
    EXPECT_EQ(question.caller.user_unit, "b.service");
    EXPECT_EQ(*question.facts.find("audience"), "x");
    EXPECT_EQ(question.skew, std::chrono::seconds(3));
    EXPECT_EQ(question.ttl, std::chrono::seconds(60));
    EXPECT_EQ(to_rfc3339(question.now), "2026-01-05T09:00:00Z");
  }
}

TEST(PastRequest, MayKnowLittle) {
  const PastRequest past = read_past_request(parse_json_object(
      R"({"request_id":"r","key":"k","decision":"allow","caller":{"uid":0,"user":"other"},"facts":[]})"));
  EXPECT_TRUE(past.caller.groups.empty()) << "another machine's root";
  EXPECT_FALSE(past.facts_cut);
  EXPECT_FALSE(past.question().ttl);
  EXPECT_EQ(past.question().now, SystemTime());
}

TEST(PastRequest, RefusesWhatIsNone) {
  const auto with = [](std::string_view part, std::string_view other) {
    std::string text = kRequest;
    return complaint(text.replace(text.find(part), part.size(), other));
  };
  EXPECT_EQ(with("\"x\"", "\"y\""), "");
  EXPECT_THAT(with("\"uid\":0,", ""), HasSubstr("uid"));
  EXPECT_THAT(with("[[\"audience\",\"x\"]]", "{}"), HasSubstr("list of pairs"));
  EXPECT_THAT(with("\"facts\":", "\"fact\":"), HasSubstr("list of pairs"));
  for (const char* fact : {"1", "[\"a\"]", "[1,\"a\"]", "[\"a\",1]"})
    EXPECT_THAT(with("[\"audience\",\"x\"]", fact), HasSubstr("pairs of strings")) << fact;
  EXPECT_THAT(with("\"key\":\"k\"", "\"key\":\"K\""), HasSubstr("no name"));
  EXPECT_THAT(with("\"caller\":{", "\"caller\":1,\"other\":{"), HasSubstr("has to be an object"));
  EXPECT_THAT(with("\"caller\":{", "\"other\":{"), HasSubstr("has to be an object"));
  EXPECT_NE(complaint(R"({"decision":"denied","key":"k","details":null})"), "") << "pruned";
}

TEST(Quote, RefusesWhatIsNotUtf8) {
  EXPECT_EQ(quote("\xC3\xA4"), "\"\\u00E4\"");
  EXPECT_THROW(quote("\xC3"), Error);
}

TEST(Suggest, SaysThatAGrantDeniesIt) {
  try {
    suggest(parse_json_object(kRequest));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::conflict);
    EXPECT_THAT(error.detail(), HasSubstr("denied by the grant \"no\""));
  }
}

// Values too long for a literal are cut between characters, and neither a brace nor a star in half.
TEST(Suggest, CutsLongValuesWhole) {
  for (const std::string& unit :
       {std::string("{"), std::string("}"), std::string("a{"), std::string("a*"),
        std::string("\xC3\xA4"), std::string("\xF0\x9F\x98\x80{")}) {
    std::string value;
    while (value.size() < 3000) value += unit;
    const json::object request{
        {"request_id", "r"},
        {"key", "k"},
        {"decision", "deny"},
        {"code", "not_permitted"},
        {"caller",
         json::object{{"uid", 0}, {"user", "other"}, {"unit", std::string(300, 'u') + ".service"}}},
        {"facts", json::array{json::array{"path", value},
                              json::array{"header." + value.substr(0, 300), ""}}}};
    const auto policy = Policy::load({{"s.toml", suggest(request)}});
    EXPECT_TRUE(policy->decide(read_past_request(request).question()).allowed) << unit;
  }
}

}  // namespace
}  // namespace holdfast::policy
