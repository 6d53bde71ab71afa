// Ranges, addresses, times, negation and places for the caller, in grants that allow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/policy/network.h"
#include "daemon/policy/window.h"
#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

using ::testing::HasSubstr;

bool with(const std::string& facts, const Pairs& pairs) {
  return allowed(allow("g", "facts = { " + facts + " }"), {.facts = pairs});
}

TEST(Network, HoldsOnlyAddressesInTheirUsualSpelling) {
  const Network ten("10.0.0.0/8"), one("10.1.2.3/32"), every("0.0.0.0/0"), local("fd00::/8"),
      six("::/0"), loop("::1/128");
  for (const char* host :
       {"10.1.2.3", "10.1.2.3:8443", "[::ffff:10.1.2.3]", "[::ffff:a01:203]:443"})
    for (const Network* network : {&ten, &one, &every}) {
      EXPECT_EQ(network->contains(host), Truth::yes) << host;
      EXPECT_EQ(six.contains(host), Truth::no) << host;
    }
  for (const char* host : {"11.1.2.3", "[::1]", "[fd00::1]:443"})
    EXPECT_EQ(ten.contains(host), Truth::no) << host;
  EXPECT_EQ(one.contains("10.1.2.2"), Truth::no);
  EXPECT_EQ(local.contains("[fd12::7]:8443"), Truth::yes);
  EXPECT_EQ(local.contains("[fe80::1]"), Truth::no);
  EXPECT_EQ(loop.contains("[0:0:0:0:0:0:0:1]"), Truth::yes);
  EXPECT_EQ(six.contains("[::10.1.2.3]"), Truth::yes)
      << "an IPv4-compatible address is none of IPv4";
  EXPECT_EQ(every.contains("[::10.1.2.3]"), Truth::no);
}

// What one client takes for an address and another for a name is in no range and out of none.
TEST(Network, CanNotSayOfAnOddSpelling) {
  const Network ten("10.0.0.0/8"), six("::/0");
  for (const char* host :
       {"010.1.2.3", "0x0a.1.2.3",     "10.1",      "10",          "167838211",      "0x0a010203",
        "0xA010203", "0XA010203",      "10.1.2.3.", "10.1.2.3..",  "10.1.2.256",     "10.1.2.3.4",
        "012.1.2.3", "a.b.7",          "10.0x",     "fd00::1",     "[10.1.2.3]",     "[fd00::1",
        "fd00::1]",  "[fe80::1%eth0]", "[]",        "10.1.2.3%31", "::ffff:10.1.2.3"}) {
    EXPECT_EQ(ten.contains(host), Truth::unknown) << host;
    EXPECT_EQ(six.contains(host), Truth::unknown) << host;
  }
  for (const char* host :
       {"example.com", "10.example.com", "face.cafe", "x10", "", ".", "0xg", "a.0xg:80"})
    EXPECT_EQ(ten.contains(host), Truth::no) << host;
  EXPECT_EQ(ten.contains(std::string("10.1.2.3\0x", 10)), Truth::no);
}

TEST(Network, RefusesWhatIsNoRange) {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8x", "10.0.0.1/8",
                           "10.0.0.0/-1", "010.0.0.0/8", "10.0.0/8", "a/8", "fd00::/129",
                           "fd00::1/64", "[fd00::]/8", "::ffff:10.0.0.0/104", "/8"})
    EXPECT_THROW(Network{text}, Error) << text;
}

TEST(PolicyCondition, CidrIsForHostsThatAreAddresses) {
  const std::string facts = R"(host = { is = "*.internal", cidr = ["10.0.0.0/8", "fd00::/8"] })";
  for (const char* yes : {"a.internal", "10.9.8.7", "[fd00::1]:8443", "10.9.8.7:443"})
    EXPECT_TRUE(with(facts, {{"host", yes}})) << yes;
  for (const char* no : {"a.b.internal", "11.0.0.1", "012.1.1.1", "0xa.1.1.1", "10.1", "[fe80::1]",
                         "10.9.8.7.", "10.9.8.7.evil.example"})
    EXPECT_FALSE(with(facts, {{"host", no}})) << no;
}

TEST(PolicyCondition, RangeTakesIntegersAsJsonWritesThem) {
  const std::string range = R"("query.n" = { min = -5, max = 42 })";
  for (const char* yes : {"-5", "0", "7", "42"})
    EXPECT_TRUE(with(range, {{"query.n", yes}})) << yes;
  for (const char* no :
       {"-6", "43", "007", "+7", "-0", "7.0", "7e0", "", " 7", "99999999999999999999"})
    EXPECT_FALSE(with(range, {{"query.n", no}})) << no;
  EXPECT_FALSE(with(range, {{"query.n", "7"}, {"query.n", "43"}}));
  EXPECT_FALSE(with(range, {}));
  EXPECT_TRUE(with("expires_in = { min = 60 }", {{"expires_in", "60"}}));
  EXPECT_FALSE(with("expires_in = { min = 60 }", {{"expires_in", "59"}}));
  EXPECT_TRUE(with(R"("claim.level" = { max = 3 })", {{"claim.level", "3"}}));
  EXPECT_FALSE(with(R"("claim.level" = { max = 3 })", {{"claim.level", "\"3\""}})) << "a text";
}

TEST(PolicyCondition, TtlIsAFactOfTokens) {
  using namespace std::chrono_literals;
  const std::string text = allow("g", "facts = { ttl = { min = 60, max = 300 } }");
  EXPECT_TRUE(allowed(text, {.ttl = 60s}));
  EXPECT_TRUE(allowed(text, {.ttl = 300s}));
  EXPECT_FALSE(allowed(text, {.ttl = 59s}));
  EXPECT_FALSE(allowed(text, {.ttl = 301s}));
  EXPECT_FALSE(allowed(text, {})) << "no token";
  EXPECT_FALSE(allowed(allow("g", "facts = { ttl = 7200 }"), {.ttl = 3601s}))
      << "limits.ttl holds still";
  EXPECT_THAT(complaint(allow("g", "facts = { ttl = { min = 7200 } }")),
              HasSubstr("raise limits.ttl"));
  EXPECT_EQ(complaint(allow("g", "facts = { ttl = { min = 7200 } }\nlimits = { ttl = \"3h\" }")),
            "");
}

TEST(PolicyCondition, NotLeavesOut) {
  const std::string facts = R"(path = { is = "/a/**", not = ["/a/private/**", "/a/{user}"] })";
  EXPECT_TRUE(with(facts, {{"path", "/a/b"}}));
  EXPECT_FALSE(with(facts, {{"path", "/a/private/b"}}));
  EXPECT_FALSE(with(facts, {{"path", "/a/orders"}}));
  EXPECT_FALSE(with(facts, {{"path", "/b"}}));
  EXPECT_TRUE(with(R"(method = { not = "DELETE" })", {{"method", "GET"}}));
  EXPECT_FALSE(with(R"(method = { not = "DELETE" })", {{"method", "GET"}, {"method", "DELETE"}}));
  EXPECT_FALSE(with(R"(method = { not = "DELETE" })", {})) << "what is named has to be there";
  EXPECT_FALSE(with(R"(action = { not = "Run" })", {{"action", "unknown"}}));
  EXPECT_FALSE(with(R"(action = { not = "unknown" })", {{"action", "unknown"}}));
  const std::string unit =
      "[[grant]]\nname = \"g\"\nkey = \"k\"\n"
      "caller = { uid = 1001, unit = { is = \"*.service\", not = \"o*\" } }\n";
  Asked asked;
  EXPECT_FALSE(allowed(unit, asked));
  asked.caller.unit = "batch.service";
  EXPECT_TRUE(allowed(unit, asked));
  asked.caller.unit = "";
  EXPECT_FALSE(allowed(unit, asked));
}

TEST(PolicyCondition, CallerIdsMayBeARange) {
  const std::string text =
      "[[grant]]\nname = \"g\"\nkey = \"k\"\ncaller = { uid = { min = 1000, max = 1999 } }\n";
  Asked asked;
  for (const auto& [uid, yes] :
       {std::pair{999, false}, {1000, true}, {1999, true}, {2000, false}}) {
    asked.caller.uid = static_cast<uid_t>(uid);
    EXPECT_EQ(allowed(text, asked), yes) << uid;
    EXPECT_EQ(load(text)->may_name(asked.caller), yes) << uid;
  }
}

TEST(PolicyTemplate, WhatIsFilledInIsALiteral) {
  const std::string facts = R"(path = ["/{user}/*", "/shared/**"])";
  EXPECT_TRUE(with(facts, {{"path", "/orders/a"}}));
  EXPECT_FALSE(with(facts, {{"path", "/orders/a/b"}}));
  EXPECT_FALSE(with(facts, {{"path", "/root/a"}}));
  EXPECT_TRUE(with(R"(path = "/*/{user}/{unit}")", {{"path", "/a/orders/orders.service"}}));
  EXPECT_FALSE(with(R"(path = "/*/{user}/{unit}")", {{"path", "/a/root/orders.service"}}));
  const std::string text = allow("g", "facts = { " + facts + " }");
  Asked star{.facts = {{"path", "/root/a"}}};
  for (const char* user : {"*", "**", "{unit}", "root/../x"}) {
    star.caller.user = user;
    EXPECT_FALSE(allowed(text, star)) << user;
    EXPECT_TRUE(allowed(
        text, {.facts = {{"path", "/" + std::string(user) + "/a"}}, .caller = star.caller}));
  }
  star.caller.user = "";
  for (const char* path : {"//a", "/root/a", "/{user}/a"}) {
    star.facts = {{"path", path}};
    EXPECT_FALSE(allowed(text, star)) << path;
  }
  star.facts = {{"path", "/shared/a"}};
  EXPECT_TRUE(allowed(text, star)) << "the other pattern of the list needs no name";
  star.caller.user = std::string(1024, 'u');
  star.facts = {{"path", "/" + star.caller.user + "/a"}};
  EXPECT_FALSE(allowed(text, star)) << "longer than a pattern may be";
}

TEST(PolicyTemplate, BraceIsWrittenTwice) {
  EXPECT_TRUE(with(R"(path = "/{{a}}")", {{"path", "/{a}"}}));
  EXPECT_TRUE(with(R"(path = "/{{{user}}}*")", {{"path", "/{orders}x"}}));
  for (const char* bad : {"/{usr}", "/{", "/}", "/{}", "/{{user}", "/{user}}"})
    EXPECT_THAT(complaint(allow("g", "facts = { path = \"" + std::string(bad) + "\" }")),
                HasSubstr("written twice"))
        << bad;
}

TEST(PolicyTemplate, KeysMayNameTheCaller) {
  const std::string text =
      "[[grant]]\nname = \"g\"\nkey = [\"{user}-aws\", \"k\"]\ncaller = { uid = 1001 }\n";
  const auto policy = load(text);
  Asked asked;
  for (const auto& [key, yes] :
       {std::pair{"orders-aws", true}, {"k", true}, {"root-aws", false}, {"-aws", false}}) {
    asked.key = key;
    EXPECT_EQ(asked.decide(*policy).allowed, yes) << key;
    EXPECT_EQ(policy->names(asked.caller, key), yes) << key;
  }
  asked.caller.user = "";
  asked.key = "-aws";
  EXPECT_FALSE(asked.decide(*policy).allowed);
  EXPECT_THAT(complaint("[[grant]]\nname = \"g\"\nkey = \"{user}-*\"\ncaller = { uid = 1 }\n"),
              HasSubstr("without a star"));
  EXPECT_THAT(complaint("[[grant]]\nname = \"g\"\nkey = \"{user}/x\"\ncaller = { uid = 1 }\n"),
              HasSubstr("a key's name is"));
  EXPECT_THAT(complaint("[[grant]]\nname = \"g\"\nkey = \"{usr}\"\ncaller = { uid = 1 }\n"),
              HasSubstr("braces only"));
}

TEST(PolicyTemplate, NeedsToKnowTheProcessItNames) {
  for (const char* fact : {R"(path = "/{unit}/*")", R"(path = { not = "/{exe}" })"})
    EXPECT_TRUE(
        load(allow("g", "facts = { " + std::string(fact) + " }"))->needs_process_identity());
  EXPECT_FALSE(load(allow("g", R"(facts = { path = "/{user}/*" })"))->needs_process_identity());
  EXPECT_TRUE(load("[[grant]]\nname = \"g\"\nkey = \"{unit}\"\ncaller = { uid = 1 }\n")
                  ->needs_process_identity());
}

// 2026-01-05 is a Monday.
bool at(const std::string& when, const std::string& time) {
  return allowed(allow("g", "when = { " + when + " }"), {.now = *from_rfc3339(time)});
}

TEST(PolicyWindow, HoldsOnItsDaysAndHours) {
  const std::string office = R"(days = ["mon-fri"], from = "08:00", to = "18:00")";
  for (const char* yes : {"2026-01-05T08:00:00Z", "2026-01-09T17:59:59Z"})
    EXPECT_TRUE(at(office, yes)) << yes;
  for (const char* no : {"2026-01-05T07:59:59Z", "2026-01-05T18:00:00Z", "2026-01-10T12:00:00Z",
                         "2026-01-04T12:00:00Z"})
    EXPECT_FALSE(at(office, no)) << no;
  EXPECT_TRUE(at("days = \"sun\"", "2026-01-04T23:59:59Z"));
  EXPECT_FALSE(at("days = \"sun\"", "2026-01-05T00:00:00Z"));
  EXPECT_TRUE(at("days = [\"sat-mon\"]", "2026-01-05T23:00:00Z")) << "over the week's end";
  EXPECT_FALSE(at("days = [\"sat-mon\"]", "2026-01-06T00:00:00Z"));
  EXPECT_TRUE(at("from = \"08:00\"", "2026-01-05T23:59:59Z"));
  EXPECT_TRUE(at("days = \"wed\", from = \"23:59\"", "1969-12-31T23:59:59Z"));
  EXPECT_TRUE(at("to = \"08:00\"", "2026-01-05T00:00:00Z"));
  EXPECT_TRUE(at("from = \"08:00\", to = \"24:00\"", "2026-01-05T23:59:59Z"));
}

TEST(PolicyWindow, OverMidnightBelongsToTheDayOnWhichItBegins) {
  const std::string night = R"(days = "fri", from = "22:00", to = "06:00")";
  for (const char* yes : {"2026-01-09T22:00:00Z", "2026-01-09T23:59:59Z", "2026-01-10T00:00:00Z",
                          "2026-01-10T05:59:59Z"})
    EXPECT_TRUE(at(night, yes)) << yes;
  for (const char* no : {"2026-01-09T21:59:59Z", "2026-01-10T06:00:00Z", "2026-01-09T05:00:00Z",
                         "2026-01-10T22:00:00Z"})
    EXPECT_FALSE(at(night, no)) << no;
  EXPECT_TRUE(at(R"(days = "sun", from = "22:00", to = "06:00")", "2026-01-05T05:00:00Z"));
}

TEST(PolicyWindow, HasABeginningAndAnEnd) {
  const std::string when = R"(after = "2026-01-05T00:00:00Z", before = "2026-02-01T00:00:00Z")";
  EXPECT_FALSE(at(when, "2026-01-04T23:59:59Z"));
  EXPECT_TRUE(at(when, "2026-01-05T00:00:00Z"));
  EXPECT_TRUE(at(when, "2026-01-31T23:59:59Z"));
  EXPECT_FALSE(at(when, "2026-02-01T00:00:00Z"));
}

TEST(PolicyWindow, SaysWhenItHolds) {
  const auto policy = load(allow("g", R"([grant.when]
days = ["mon-tue", "sun"]
from = "22:00"
to = "06:30"
after = "2026-01-05T00:00:00Z"
before = "2026-02-01T00:00:00Z")"));
  const Asked asked{.now = *from_rfc3339("2026-01-07T09:00:00Z")};
  EXPECT_THAT(asked.decide(*policy).reason,
              HasSubstr("now is wed 2026-01-07T09:00:00Z, wanted mon,tue,sun 22:00-06:30 after "
                        "2026-01-05T00:00:00Z before 2026-02-01T00:00:00Z UTC"));
  EXPECT_EQ(Window{.from = 60}.text(), "01:00-24:00 UTC");
  EXPECT_EQ(Window{.after = SystemTime()}.text(), "after 1970-01-01T00:00:00Z UTC");
  EXPECT_EQ(Window{.before = SystemTime()}.text(), "before 1970-01-01T00:00:00Z UTC");
}

TEST(PolicyCondition, TakesWhatLooksLikeTheSame) {
  for (const char* rest :
       {"facts = { \"query.\" = \"a\", \"query.*\" = \"b\" }", "facts = { ttl = { not = \"5\" } }"})
    EXPECT_EQ(complaint(allow("g", rest)), "") << rest;
  EXPECT_EQ(complaint("[[grant]]\nname = \"g\"\nkey = \"k\"\ncaller = { unit = \"a.service\", exe "
                      "= \"/a\" }\n"),
            "");
}

TEST(PolicyCondition, RefusesWhatCanNotBeMeant) {
  for (const auto& [rest, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {"facts = { path = {} }", "is empty: name is or not"},
           {"facts = { \"query.n\" = {} }", "is empty: name is, not, min or max"},
           {"facts = { path = { min = 1 } }", "min is not known here; known: is, not"},
           {"facts = { path = { cidr = \"10.0.0.0/8\" } }", "cidr is not known"},
           {"facts = { host = { cidr = \"10.0.0.1/8\" } }", "bits set behind its prefix"},
           {"facts = { \"query.n\" = { min = 3, max = 2 } }", "more than max"},
           {"facts = { \"query.n\" = { is = \"a\", max = 2 } }", "can't stand beside"},
           {"facts = { \"query.n\" = { not = \"a\", min = 2 } }", "can't stand beside"},
           {"facts = { ttl = \"5m\" }", "limits = { ttl = \"5m\" }"},
           {"when = {}", "is empty: name days"},
           {"when = { days = \"monday\" }", "mon tue wed"},
           {"when = { days = \"ont\" }", "mon tue wed"},
           {"when = { days = \"mon-\" }", "mon tue wed"},
           {"when = { from = \"8:00\" }", "written \"08:00\""},
           {"when = { from = \"/8:00\" }", "written \"08:00\""},
           {"when = { days = \"foo\" }", "mon tue wed"},
           {"when = { from = \"08:60\" }", "written \"08:00\""},
           {"when = { from = \"08.00\" }", "written \"08:00\""},
           {"when = { from = \"0a:00\" }", "written \"08:00\""},
           {"when = { from = \"a8:00\" }", "written \"08:00\""},
           {"when = { from = \"08:a0\" }", "written \"08:00\""},
           {"when = { from = \"08:0a\" }", "written \"08:00\""},
           {"when = { from = \"24:00\" }", "written \"08:00\""},
           {"when = { to = \"24:01\" }", "written \"08:00\""},
           {"when = { from = \"08:00\", to = \"08:00\" }", "leaves no time"},
           {"when = { to = \"00:00\" }", "leaves no time"},
           {"when = { after = \"2026-01-05\" }", "a time is written"},
           {"when = { after = \"2026-01-05T00:00:00Z\", before = \"2026-01-05T00:00:00Z\" }",
            "leaves no time"},
           {"limits = { per_caller = {} }", "per_caller is empty"},
           {"limits = { per_caller = { burst = 3 } }", "burst needs a rate"},
           {"limits = { daily = 0 }", "integer from 1"},
           {"limits = { concurrent = \"4\" }", "integer from 1"},
           {"effect = \"refuse\"", "one of \"allow\", \"deny\""}})
    EXPECT_THAT(complaint(allow("g", rest)), HasSubstr(part)) << rest;
  for (const char* uid : {"{ min = 1 }", "{ max = 1 }", "{ min = 2, max = 1 }", "{}"})
    EXPECT_THAT(complaint("[[grant]]\nname = \"g\"\nkey = \"k\"\ncaller = { uid = " +
                          std::string(uid) + " }\n"),
                HasSubstr("{ min = 1000, max = 1999 }"));
}

}  // namespace
}  // namespace holdfast::policy
