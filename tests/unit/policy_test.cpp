// What a loaded policy decides.
#include "daemon/policy/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "daemon/base/error.h"

namespace holdfast::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;
using Pairs = std::vector<Fact>;

std::shared_ptr<const Policy> load(const std::string& text) {
  return Policy::load({{"h.toml", text}});
}

std::string grant(const std::string& name, const std::string& key, const std::string& caller,
                  const std::string& rest = "") {
  return "[[grant]]\nname = \"" + name + "\"\nkey = " + key + "\ncaller = { " + caller + " }\n" +
         rest + "\n";
}

Facts facts_of(const Pairs& pairs) {
  Facts facts;
  for (const Fact& fact : pairs) facts.add(fact.name, fact.value);
  return facts;
}

Caller orders() {
  Caller caller;
  caller.pid = 77;
  caller.uid = 1001;
  caller.gid = 1001;
  caller.groups = {27, 2000};
  caller.user = "orders";
  caller.unit = "orders.service";
  caller.user_unit = "job.service";
  caller.exe = "/usr/bin/orders";
  caller.label = "nightly";
  caller.container = std::string(64, 'c');
  caller.pod = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
  caller.security_label = "system_u:orders";
  return caller;
}

bool allowed(const Policy& policy, const Caller& caller, std::string_view key,
             const Pairs& pairs = {}, std::chrono::seconds skew = 0s,
             std::optional<std::chrono::seconds> ttl = {}) {
  const Facts facts = facts_of(pairs);
  return policy.decide({caller, key, facts, skew, ttl}).allowed;
}

// One grant with these facts for uid 1001 and key "k": does it allow?
bool with_facts(const std::string& facts, const Pairs& pairs) {
  return allowed(*load(grant("g", "\"k\"", "uid = 1001", "facts = { " + facts + " }")), orders(),
                 "k", pairs);
}

bool with_caller(const std::string& caller, const Caller& who) {
  return allowed(*load(grant("g", "\"k\"", caller)), who, "k");
}

TEST(Policy, WithoutAGrantDeniesEverything) {
  const Policy empty;
  EXPECT_FALSE(allowed(empty, orders(), "k"));
  EXPECT_FALSE(allowed(*load(""), orders(), "k", {{"service", "s3"}}));
  EXPECT_FALSE(empty.names(orders(), "k"));
  EXPECT_TRUE(empty.grants_of(orders()).empty());
  EXPECT_EQ(empty.size(), 0u);
}

TEST(Policy, DeniesAnotherKeyAndAnotherCaller) {
  const auto policy = load(grant("g", "\"k\"", "uid = 1001"));
  EXPECT_TRUE(allowed(*policy, orders(), "k"));
  EXPECT_FALSE(allowed(*policy, orders(), "k2"));
  EXPECT_FALSE(allowed(*policy, orders(), ""));
  Caller other = orders();
  other.uid = 1002;
  EXPECT_FALSE(allowed(*policy, other, "k"));
}

TEST(PolicyCaller, MatchesEachAttributeAndAnyOfAList) {
  for (const char* yes :
       {"uid = 1001", "uid = [7, 1001]", "gid = 1001", "gid = 27", "gid = [1, 2000]",
        "unit = \"orders.service\"", "unit = [\"x.service\", \"ord*.service\"]",
        "uid = 1001, user_unit = \"job.service\"", "uid = 1001, exe = \"/usr/bin/orders\"",
        "uid = 1001, exe = \"/usr/*/orders\"", "uid = 1001, exe = \"/usr/**\"",
        "security_label = \"system_u:*\"", "label = [\"x\", \"night*\"]", "container = \"cccc*\"",
        "pod = \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"", "uid = 1001, nested = true",
        "uid = 1001, gid = 27, unit = \"*.service\", user_unit = \"*\", exe = \"**\", label = "
        "\"**\", container = \"*\", pod = \"*\", security_label = \"*\", nested = false"})
    EXPECT_TRUE(with_caller(yes, orders())) << yes;
  for (const char* no :
       {"uid = 1002", "uid = [7, 8]", "gid = 1002", "unit = \"order.service\"",
        "unit = \"Orders.service\"", "uid = 1001, user_unit = \"x.service\"",
        "uid = 1001, exe = \"/usr/*\"", "uid = 1001, exe = \"/usr/bin/order\"", "label = \"x\"",
        "security_label = \"x\"", "container = \"d*\"", "pod = \"f81d4fae\"",
        "uid = 1001, unit = \"x.service\"", "uid = 1002, unit = \"orders.service\"",
        "uid = 1001, gid = 1", "user = \"root\"", "group = \"root\""})
    EXPECT_FALSE(with_caller(no, orders())) << no;
}

TEST(PolicyCaller, JudgesUserAndGroupByNumberNotByName) {
  Caller caller = orders();
  caller.uid = 0;
  caller.gid = 0;
  EXPECT_TRUE(with_caller("user = \"root\"", caller));
  EXPECT_TRUE(with_caller("group = \"root\"", caller));
  caller = orders();
  caller.user = "root";  // only what the database said of the uid
  EXPECT_FALSE(with_caller("user = \"root\"", caller));
  caller.groups.push_back(0);
  EXPECT_TRUE(with_caller("group = \"root\"", caller));
}

TEST(PolicyCaller, WhatIsNotKnownMatchesNoPattern) {
  Caller bare;
  bare.uid = 1001;
  for (const char* no : {"unit = \"*\"", "unit = \"**\"", "uid = 1001, user_unit = \"**\"",
                         "uid = 1001, exe = \"**\"", "label = \"**\"", "container = \"**\"",
                         "pod = \"**\"", "security_label = \"**\""})
    EXPECT_FALSE(with_caller(no, bare)) << no;
  EXPECT_TRUE(with_caller("uid = 1001", bare));
}

// Threat row 22.
TEST(PolicyCaller, InAPidNamespaceOfItsOwnNeedsAGrantForSuchCallers) {
  Caller nested = orders();
  nested.nested = true;
  for (const char* no : {"uid = 1001", "unit = \"orders.service\"", "label = \"nightly\"",
                         "uid = 1001, nested = false", "uid = 1002, nested = true",
                         "uid = 1001, container = \"d*\""})
    EXPECT_FALSE(with_caller(no, nested)) << no;
  for (const char* yes : {"uid = 1001, nested = true", "container = \"c*\"", "pod = \"*\""})
    EXPECT_TRUE(with_caller(yes, nested)) << yes;
  const auto policy = load(grant("g", "\"k\"", "uid = 1001"));
  EXPECT_FALSE(policy->may_name(nested));
  EXPECT_THAT(policy->decide({nested, "k", Facts()}).reason, HasSubstr("nested = true"));
}

// Threat row 4.
TEST(PolicyCaller, OfADigestIsTheOneWhoRunsThoseBytes) {
  const std::string digest(64, 'd');
  const std::string rule = R"(uid = 1001, exe = "/usr/bin/orders", exe_sha256 = [")" + digest +
                           "\", \"" + std::string(64, 'e') + "\"]";
  const auto policy = load(grant("g", "\"k\"", rule));
  Caller caller = orders();
  EXPECT_FALSE(allowed(*policy, caller, "k"));
  EXPECT_TRUE(policy->wants_digest(caller)) << "that alone is missing";
  EXPECT_TRUE(policy->may_name(caller));
  caller.exe_sha256 = digest;
  EXPECT_TRUE(allowed(*policy, caller, "k"));
  caller.exe_sha256[0] = 'e';
  EXPECT_FALSE(allowed(*policy, caller, "k"));
  caller = orders();
  caller.exe = "/usr/bin/other";
  EXPECT_FALSE(policy->wants_digest(caller)) << "nothing is read that could not matter";
  caller = orders();
  caller.uid = 1002;
  EXPECT_FALSE(policy->wants_digest(caller));
  EXPECT_FALSE(load(grant("g", "\"k\"", "uid = 1001"))->wants_digest(orders()));
}

TEST(PolicyFacts, AllThatAreNamedHaveToMatch) {
  const std::string facts = R"(service = "s3", method = ["GET", "PUT"], path = "/invoices/**")";
  EXPECT_TRUE(with_facts(facts, {{"service", "s3"}, {"method", "GET"}, {"path", "/invoices/1"}}));
  EXPECT_TRUE(with_facts(facts, {{"service", "s3"}, {"method", "PUT"}, {"path", "/invoices/a/b"}}));
  EXPECT_FALSE(
      with_facts(facts, {{"service", "s3"}, {"method", "DELETE"}, {"path", "/invoices/1"}}));
  EXPECT_FALSE(with_facts(facts, {{"service", "s3"}, {"method", "GET"}, {"path", "/other"}}));
  EXPECT_FALSE(with_facts(facts, {{"service", "S3"}, {"method", "GET"}, {"path", "/invoices/1"}}));
}

TEST(PolicyFacts, NamedButMissingDoesNotMatch) {
  EXPECT_FALSE(with_facts("service = \"**\"", {}));
  EXPECT_FALSE(with_facts("expires_in = 900", {{"mode", "header"}}));
  EXPECT_FALSE(with_facts("\"query.prefix\" = \"**\"", {{"query.Prefix", "a"}}));
  EXPECT_FALSE(with_facts("typ = \"**\"", {}));
  EXPECT_FALSE(with_facts("\"claim.role\" = \"**\"", {{"claim.other", "a"}}));
}

TEST(PolicyFacts, NotNamedAreFree) {
  EXPECT_TRUE(with_facts("service = \"s3\"", {{"service", "s3"},
                                              {"path", "/x"},
                                              {"query.acl", ""},
                                              {"header.range", "b"},
                                              {"action", "GetItem"},
                                              {"payload", "unsigned"},
                                              {"expires_in", "604800"},
                                              {"audience", "a"},
                                              {"issuer", "i"},
                                              {"subject", "s"}}));
}

TEST(PolicyFacts, ClosedOnesAreRefusedUnlessNamed) {
  for (const Fact& closed : Pairs{{"action", "unknown"},
                                  {"signing_options", "true"},
                                  {"encoded_path", "true"},
                                  {"claim.role", "admin"},
                                  {"typ", "at+jwt"},
                                  {"mode", "post"},
                                  {"starts_with.content-type", "image/"},
                                  {"header.x-amz-copy-source", "/bucket/secret"}})
    EXPECT_FALSE(with_facts("", {closed})) << closed.name;
  EXPECT_TRUE(with_facts("signing_options = true", {{"signing_options", "true"}}));
  EXPECT_FALSE(with_facts("signing_options = false", {{"signing_options", "true"}}));
  EXPECT_FALSE(with_facts("signing_options = true", {{"encoded_path", "true"}}));
  EXPECT_TRUE(with_facts("encoded_path = true", {{"encoded_path", "true"}}));
  EXPECT_TRUE(with_facts("typ = \"at+jwt\"", {{"typ", "at+jwt"}}));
  EXPECT_FALSE(with_facts("typ = \"JWT\"", {{"typ", "at+jwt"}}));
  EXPECT_TRUE(with_facts("\"claim.role\" = \"reader\"", {{"claim.role", "reader"}}));
  EXPECT_FALSE(with_facts("\"claim.role\" = \"reader\"", {{"claim.role", "admin"}}));
  EXPECT_FALSE(
      with_facts("\"claim.role\" = \"reader\"", {{"claim.role", "reader"}, {"claim.x", "y"}}));
  EXPECT_TRUE(with_facts("\"header.x-amz-copy-source\" = \"/bucket/ok/**\"",
                         {{"header.x-amz-copy-source", "/bucket/ok/1"}}));
  EXPECT_FALSE(with_facts("\"header.x-amz-copy-source\" = \"/bucket/ok/**\"",
                          {{"header.x-amz-copy-source", "/bucket/secret"}}));
}

TEST(PolicyFacts, PermissionsAllowAndDoNotDemand) {
  EXPECT_TRUE(with_facts(
      "signing_options = true, encoded_path = true, \"claim.*\" = \"**\", \"header.*\" = \"**\"",
      {{"service", "s3"}}));
}

TEST(PolicyFacts, UnknownActionMatchesOnlyItsOwnName) {
  for (const char* no :
       {"action = \"*\"", "action = \"**\"", "action = \"unk*\"", "action = [\"**\", \"unknow*\"]"})
    EXPECT_FALSE(with_facts(no, {{"action", "unknown"}})) << no;
  EXPECT_TRUE(with_facts("action = \"unknown\"", {{"action", "unknown"}}));
  EXPECT_TRUE(with_facts("action = [\"**\", \"unknown\"]", {{"action", "unknown"}}));
  EXPECT_TRUE(with_facts("action = [\"**\", \"unknown\"]", {{"action", "GetItem"}}));
  EXPECT_FALSE(with_facts("action = \"unknown\"", {{"action", "GetItem"}}));
  // No action at all is as little known.
  EXPECT_TRUE(with_facts("action = [\"**\", \"unknown\"]", {}));
  EXPECT_FALSE(with_facts("action = \"**\"", {}));
  // One known action does not excuse another.
  EXPECT_FALSE(with_facts("action = \"**\"", {{"action", "GetItem"}, {"action", "unknown"}}));
}

TEST(PolicyFacts, EveryValueOfARepeatedFactHasToMatch) {
  const std::string audience = "audience = [\"https://a\", \"https://b\"]";
  EXPECT_TRUE(with_facts(audience, {{"audience", "https://a"}, {"audience", "https://b"}}));
  EXPECT_FALSE(with_facts(audience, {{"audience", "https://a"}, {"audience", "https://evil"}}));
  EXPECT_FALSE(with_facts(audience, {{"audience", "https://evil"}, {"audience", "https://a"}}));
  EXPECT_FALSE(with_facts("\"query.acl\" = \"\"", {{"query.acl", ""}, {"query.acl", "x"}}));
}

TEST(PolicyFacts, WildcardNamesBindAllThatNoOtherRuleNames) {
  const std::string facts = "\"query.*\" = \"a*\", \"query.prefix\" = \"b\"";
  EXPECT_TRUE(with_facts(facts, {{"query.prefix", "b"}, {"query.x", "a1"}, {"query.y", "a2"}}));
  EXPECT_TRUE(with_facts(facts, {{"query.prefix", "b"}}));
  EXPECT_FALSE(with_facts(facts, {{"query.prefix", "a"}}));
  EXPECT_FALSE(with_facts(facts, {{"query.prefix", "b"}, {"query.x", "b"}}));
  EXPECT_TRUE(with_facts("\"claim.*\" = \"**\"", {{"claim.a", "1"}, {"claim.b", ""}}));
  EXPECT_FALSE(with_facts("\"claim.*\" = \"**\", \"claim.admin\" = false", {{"claim.admin", "1"}}));
  EXPECT_TRUE(with_facts("\"header.*\" = \"**\"", {{"header.x-amz-copy-source", "/b/k"}}));
}

TEST(PolicyFacts, FalseForbidsAFact) {
  EXPECT_TRUE(with_facts("\"query.acl\" = false", {{"query.prefix", "a"}}));
  EXPECT_FALSE(with_facts("\"query.acl\" = false", {{"query.acl", ""}}));
  EXPECT_TRUE(with_facts("\"query.*\" = false", {{"header.range", "a"}}));
  EXPECT_FALSE(with_facts("\"query.*\" = false", {{"query.x", "a"}}));
  EXPECT_TRUE(with_facts("\"query.*\" = false, \"query.v\" = \"1\"", {{"query.v", "1"}}));
}

TEST(PolicyFacts, HeaderNamesAreBlindToCaseInTheGrant) {
  EXPECT_FALSE(
      with_facts("\"header.X-Amz-ACL\" = \"private\"", {{"header.x-amz-acl", "public-read"}}));
  EXPECT_TRUE(with_facts("\"header.X-Amz-ACL\" = \"private\"", {{"header.x-amz-acl", "private"}}));
}

TEST(PolicyFacts, EachHasItsKindOfPattern) {
  EXPECT_FALSE(with_facts("path = \"/a/*\"", {{"path", "/a/b/c"}}));
  EXPECT_TRUE(with_facts("host = \"*.Example.com\"", {{"host", "API.example.com"}}));
  EXPECT_FALSE(with_facts("host = \"*.example.com\"", {{"host", "a.b.example.com"}}));
  EXPECT_FALSE(with_facts("audience = \"https://*\"", {{"audience", "https://a/b"}}));
  EXPECT_TRUE(with_facts("bucket = \"orders-*\"", {{"bucket", "orders-a.b"}}));
  EXPECT_TRUE(with_facts("\"header.x\" = \"a*\"", {{"header.x", "a/b"}}));
}

TEST(PolicyFacts, CopySourceIsAPath) {
  const std::string own = "\"header.x-amz-copy-source\" = \"/bucket/own-*\"";
  EXPECT_TRUE(with_facts(own, {{"header.x-amz-copy-source", "/bucket/own-1"}}));
  for (const char* no : {"/bucket/own-1/../a", "bucket/own-1", "/BUCKET/own-1", "/bucket/a"})
    EXPECT_FALSE(with_facts(own, {{"header.x-amz-copy-source", no}})) << no;
}

TEST(PolicyFacts, ExpiresInIsAMaximum) {
  EXPECT_TRUE(with_facts("expires_in = 900", {{"expires_in", "900"}}));
  EXPECT_TRUE(with_facts("expires_in = 900", {{"expires_in", "1"}}));
  for (const char* no : {"901", "", "9x", "99999999999999999999", "0x1", " 1"})
    EXPECT_FALSE(with_facts("expires_in = 900", {{"expires_in", no}})) << no;
}

TEST(PolicyLimits, SkewIsFiveMinutesUnlessSaid) {
  const auto with = [](const std::string& limits) {
    return load(grant("g", "\"k\"", "uid = 1001", limits));
  };
  EXPECT_TRUE(allowed(*with(""), orders(), "k", {}, 300s));
  EXPECT_FALSE(allowed(*with(""), orders(), "k", {}, 301s));
  EXPECT_FALSE(allowed(*with("limits = { max_skew = \"0s\" }"), orders(), "k", {}, 1s));
  EXPECT_TRUE(allowed(*with("limits = { max_skew = \"1h\" }"), orders(), "k", {}, 3600s));
  EXPECT_FALSE(allowed(*with("limits = { max_skew = \"1h\" }"), orders(), "k", {}, 3601s));
  EXPECT_TRUE(allowed(*with("limits = { max_skew = \"unlimited\" }"), orders(), "k", {},
                      std::chrono::seconds::max()));
  EXPECT_FALSE(allowed(*with(""), orders(), "k", {}, std::chrono::seconds::max()));
}

TEST(PolicyLimits, TtlIsOneHourUnlessSaid) {
  const auto with = [](const std::string& limits) {
    return load(grant("g", "\"k\"", "uid = 1001", limits));
  };
  EXPECT_TRUE(allowed(*with(""), orders(), "k", {}, 0s, 3600s));
  EXPECT_FALSE(allowed(*with(""), orders(), "k", {}, 0s, 3601s));
  EXPECT_TRUE(allowed(*with("limits = { ttl = \"5m\" }"), orders(), "k", {}, 0s, 300s));
  EXPECT_FALSE(allowed(*with("limits = { ttl = \"5m\" }"), orders(), "k", {}, 0s, 301s));
  EXPECT_TRUE(allowed(*with("limits = { ttl = \"5m\" }"), orders(), "k"));
}

TEST(PolicyOrder, TheFirstGrantThatMatchesDecides) {
  const auto policy = load(grant("a", "\"k\"", "uid = 1001", "facts = { service = \"x\" }") +
                           grant("b", "\"*\"", "uid = 1001", "facts = { service = \"s3\" }") +
                           grant("c", "\"k\"", "uid = 1001") + grant("d", "\"**\"", "uid = 1001"));
  const auto which = [&](const Pairs& pairs, std::string_view key) {
    const Caller caller = orders();
    const Facts facts = facts_of(pairs);
    const Decision decision = policy->decide({caller, key, facts});
    return decision.allowed ? policy->grant_name(decision.grant) : "";
  };
  EXPECT_EQ(which({{"service", "x"}}, "k"), "a");
  EXPECT_EQ(which({{"service", "s3"}}, "k"), "b");
  EXPECT_EQ(which({}, "k"), "c");
  EXPECT_EQ(which({}, "other"), "d");
}

TEST(PolicyOrder, HoldsBetweenLiteralAndPatternKeysAndAcrossFiles) {
  // Grant i is for uid i, and every uid asks: the index must neither lose nor reorder one.
  std::vector<Source> sources;
  const char* keys[] = {"\"k\"",           "\"*\"", "[\"j\", \"k\"]",
                        "[\"j\", \"k*\"]", "\"x\"", "[\"k\", \"k\"]"};
  for (int file = 0; file < 3; ++file) {
    std::string text;
    for (int i = 0; i < 60; ++i)
      text += grant("g" + std::to_string(60 * file + i), keys[i % 6],
                    "uid = [" + std::to_string((60 * file + i) / 3) + ", 9999]");
    sources.push_back({std::to_string(file) + ".toml", text});
  }
  const auto policy = Policy::load(sources);
  ASSERT_EQ(policy->size(), 180u);
  for (uid_t uid = 0; uid < 60; ++uid) {
    Caller caller;
    caller.uid = uid;
    const Facts facts;
    const Decision decision = policy->decide({caller, "k", facts});
    ASSERT_TRUE(decision.allowed);
    // Three grants in a row are for one uid; those with the key "x" don't count.
    EXPECT_EQ(decision.grant, 3 * uid + (3 * uid % 6 == 4 ? 1 : 0));
  }
  Caller anyone;
  anyone.uid = 9999;
  EXPECT_EQ(policy->decide({anyone, "x", Facts()}).grant, 1u);
}

TEST(PolicyReason, NamesTheNearestGrantsAndWhatKeptThem) {
  const auto policy =
      load(grant("far", "\"k\"", "uid = 7") +
           grant("near", "\"k\"", "uid = 1001", "facts = { path = \"/invoices/**\" }") +
           grant("mid", "\"*\"", "uid = 1001", "facts = { path = \"/x\", service = \"s3\" }") +
           grant("other", "\"j\"", "uid = 1001"));
  const Caller caller = orders();
  const Facts facts = facts_of({{"path", "/secret"}, {"typ", "x"}});
  const std::string reason = policy->decide({caller, "k", facts, 400s}).reason;
  EXPECT_THAT(reason, HasSubstr("3 grants name the key"));
  EXPECT_THAT(reason, HasSubstr("\"near\" (h.toml:"));
  EXPECT_THAT(reason, HasSubstr("\"path\" was \"/secret\", wanted \"/invoices/**\""));
  EXPECT_THAT(reason, HasSubstr("service is not there, wanted \"s3\""));
  EXPECT_THAT(reason, HasSubstr("\"typ\" was \"x\", which a grant has to name"));
  EXPECT_THAT(reason, HasSubstr("time is 400 s from now, limits.max_skew is 300 s"));
  EXPECT_THAT(reason, HasSubstr("caller: uid is 1001"));
  EXPECT_THAT(reason, Not(HasSubstr("other")));
  EXPECT_LT(reason.find("\"near\""), reason.find("\"mid\""));
  EXPECT_LT(reason.find("\"mid\""), reason.find("\"far\""));
  EXPECT_EQ(load("")->decide({caller, "zz", facts}).reason, "no grant names the key zz");
  EXPECT_EQ(policy->decide({caller, "j", Facts()}).reason, "");
}

TEST(PolicyReason, IsBoundedAndOnOneLine) {
  std::string text;
  for (int i = 0; i < 50; ++i)
    text += grant("g" + std::to_string(i), "\"k\"", "uid = 1001", "facts = { path = \"/x\" }");
  const Caller caller = orders();
  Facts facts = facts_of({{"path", std::string(60'000, '\n')}, {"claim.\x1b[2J", "\xC3\xA4\xFF"}});
  for (int i = 0; i < 1000; ++i) facts.add("claim." + std::to_string(i), std::string(1000, '"'));
  const std::string reason = load(text)->decide({caller, "k", facts}).reason;
  EXPECT_LT(reason.size(), 16'384u);
  EXPECT_EQ(reason.find('\n'), std::string::npos);
  EXPECT_EQ(reason.find('\x1b'), std::string::npos);
  EXPECT_THAT(reason, HasSubstr("more"));
}

// Whoever is denied may ask again and again.
TEST(PolicyReason, LooksAtBoundedlyManyGrants) {
  std::string text;
  for (int i = 0; i < 256; ++i)
    text += grant("far" + std::to_string(i), "\"k\"", "uid = 7", "facts = { path = \"/x\" }");
  const auto reason_with = [&](const std::string& last) {
    const Caller caller = orders();
    const Facts facts = facts_of({{"path", "/y"}});
    return load(text + last)->decide({caller, "k", facts}).reason;
  };
  const std::string near = grant("near", "\"k\"", "uid = 1001", "facts = { path = \"/x\" }");
  EXPECT_THAT(reason_with(near), HasSubstr("257 grants name the key"));
  EXPECT_THAT(reason_with(near), Not(HasSubstr("\"near\"")));
  text = near + text;
  EXPECT_THAT(reason_with(""), HasSubstr("nearest first; \"near\""));
}

TEST(PolicySet, FillsTemplatesAsLiterals) {
  const auto policy = load(grant(
      "g", "\"k\"", "uid = 1001",
      R"(set = { issuer = "https://id", subject = "{unit}/{user}-{uid}", backdate = "30s", "claim.label" = "{label}" })"));
  Caller caller = orders();
  caller.label = "{unit}**";  // neither filled in again nor a pattern
  const auto forced = policy->forced(0, caller);
  EXPECT_EQ(forced, (std::map<std::string, std::string>{{"issuer", "https://id"},
                                                        {"subject", "orders.service/orders-1001"},
                                                        {"backdate", "30s"},
                                                        {"claim.label", "{unit}**"}}));
}

TEST(PolicySet, WithAPlaceThatCantBeFilledDoesNotMatch) {
  const auto policy = load(grant("g", "\"k\"", "uid = 1001", "set = { subject = \"{unit}\" }"));
  EXPECT_TRUE(allowed(*policy, orders(), "k"));
  Caller bare = orders();
  bare.unit = "";
  EXPECT_FALSE(allowed(*policy, bare, "k"));
  EXPECT_THAT(policy->decide({bare, "k", Facts()}).reason, HasSubstr("unit is not known"));
  const auto twice = load(grant("g", "\"k\"", "uid = 1001",
                                R"(set = { subject = "{unit}", "claim.unit" = "{unit}" })"));
  const Facts none;
  EXPECT_EQ(twice->explain({bare, "k", none}).at(0).findings.size(), 2u)
      << "the uid, and once that the unit is not known";
}

TEST(PolicySet, TakesTheForcedValueAndNoOther) {
  const auto policy =
      load(grant("g", "\"k\"", "uid = 1001",
                 R"(set = { issuer = "https://id", subject = "{unit}", "claim.level" = "42" })"));
  const auto allows = [&](const Pairs& pairs) { return allowed(*policy, orders(), "k", pairs); };
  EXPECT_TRUE(allows({}));
  EXPECT_TRUE(allows({{"issuer", "https://id"}, {"subject", "orders.service"}}));
  EXPECT_FALSE(allows({{"issuer", "https://other"}}));
  EXPECT_FALSE(allows({{"subject", "root"}}));
  EXPECT_FALSE(allows({{"subject", "{unit}"}}));
  EXPECT_TRUE(allows({{"claim.level", "\"42\""}})) << "the same text; it needs no rule of its own";
  EXPECT_FALSE(allows({{"claim.level", "42"}})) << "a number is another value than the text";
  EXPECT_FALSE(allows({{"claim.level", "\"42\""}, {"claim.level", "\"43\""}}));
  const Facts facts = facts_of({{"subject", "root"}});
  const Caller caller = orders();
  EXPECT_THAT(policy->decide({caller, "k", facts}).reason,
              HasSubstr("\"subject\" was \"root\", but is set to \"orders.service\""));
}

// Go's encoding/json takes "Role" for "role"; the last of both would win.
TEST(PolicySet, IsNotEvadedByANameThatReadsAlike) {
  const auto policy = load(grant("g", "\"k\"", "uid = 1001",
                                 "facts = { \"claim.*\" = \"**\", \"claim.admin\" = false }\n"
                                 "set = { \"claim.task\" = \"read\" }"));
  const auto allows = [&](const std::string& name) {
    return allowed(*policy, orders(), "k", {{"claim." + name, "x"}});
  };
  EXPECT_TRUE(allows("other"));
  for (const std::string& name : {std::string("Task"),
                                  std::string("ta\xC5\xBF"
                                              "k"),
                                  std::string("tas\xE2\x84\xAA"), std::string("task\0", 5),
                                  std::string("ADMIN"), std::string("admin\0x", 7)})
    EXPECT_FALSE(allows(name)) << name;
}

TEST(PolicyFacts, NamesThatReadAlikeMayBothBeNamed) {
  const std::string facts = R"("claim.*" = "**", "claim.role" = "r", "claim.Role" = "R")";
  EXPECT_TRUE(with_facts(facts, {{"claim.role", "r"}, {"claim.Role", "R"}}));
  EXPECT_FALSE(with_facts(facts, {{"claim.role", "r"}, {"claim.Role", "r"}}));
  EXPECT_FALSE(with_facts(facts, {{"claim.role", "r"}, {"claim.Role", "R"}, {"claim.ROLE", "R"}}));
}

TEST(PolicySet, CanNotForceAllClaims) {
  EXPECT_THROW(load(grant("g", "\"k\"", "uid = 1001", "set = { \"claim.*\" = \"x\" }")), Error);
}

TEST(PolicySet, CanNotForceWhatTheDaemonSets) {
  for (const char* name : {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}) {
    const std::string claim = "\"claim." + std::string(name) + "\" = \"x\"";
    EXPECT_THROW(load(grant("g", "\"k\"", "uid = 1001", "set = { " + claim + " }")), Error) << name;
    EXPECT_THROW(load(grant("g", "\"k\"", "uid = 1001", "facts = { " + claim + " }")), Error)
        << name;
  }
}

TEST(Policy, SaysWhoIsNamedWhateverTheFacts) {
  const auto policy = load(grant("a", "\"k\"", "uid = 1001", "facts = { service = \"s3\" }") +
                           grant("b", "\"x-*\"", "uid = 1002") + grant("c", "\"z\"", "gid = 27"));
  EXPECT_TRUE(policy->names(orders(), "k"));
  EXPECT_FALSE(policy->names(orders(), "x-1"));
  EXPECT_TRUE(policy->names(orders(), "z"));
  EXPECT_THAT(policy->grants_of(orders()), ElementsAre("a", "c"));
}

TEST(Policy, SaysWhetherItNeedsToKnowTheProcess) {
  EXPECT_FALSE(load(grant("a", "\"k\"", "uid = 1, gid = 1"))->needs_process_identity());
  for (const char* yes :
       {"unit = \"a.service\"", "uid = 1, user_unit = \"a.service\"", "uid = 1, exe = \"/a\"",
        "label = \"a\"", "container = \"a\"", "pod = \"a\""})
    EXPECT_TRUE(load(grant("a", "\"k\"", yes))->needs_process_identity()) << yes;
  const auto filling_in = [](const std::string& attribute) {
    return load(grant("a", "\"k\"", "uid = 1", "set = { subject = \"{" + attribute + "}\" }"))
        ->needs_process_identity();
  };
  for (const char* yes : {"unit", "user_unit", "exe", "label", "container", "pod"})
    EXPECT_TRUE(filling_in(yes)) << yes;
  for (const char* no : {"user", "uid", "gid", "security_label"})
    EXPECT_FALSE(filling_in(no)) << no;
}

// Peloton's matrix: 3 callers × 50 keys, and what is allowed equals the policy exactly.
TEST(PolicyMatrix, AllowsExactlyWhatIsGranted) {
  const auto granted = [](int caller, int key) { return (key * 7 + caller * 3) % 5 < 2; };
  std::string text;
  for (int caller = 0; caller < 3; ++caller)
    for (int key = 0; key < 50; ++key)
      if (granted(caller, key))
        text += grant("g" + std::to_string(caller) + "-" + std::to_string(key),
                      "\"key-" + std::to_string(key) + "\"",
                      "uid = " + std::to_string(2000 + caller) + ", unit = \"app" +
                          std::to_string(caller) + ".service\"",
                      "facts = { method = \"GET\" }");
  const auto policy = load(text);
  for (int uid = 0; uid < 4; ++uid)
    for (int unit = 0; unit < 4; ++unit)
      for (int key = -1; key < 51; ++key) {
        Caller caller;
        caller.uid = static_cast<uid_t>(2000 + uid);
        caller.unit = "app" + std::to_string(unit) + ".service";
        const std::string name = "key-" + std::to_string(key);
        const bool expected = uid == unit && uid < 3 && key >= 0 && key < 50 && granted(uid, key);
        EXPECT_EQ(allowed(*policy, caller, name, {{"method", "GET"}}), expected)
            << uid << unit << name;
        EXPECT_FALSE(allowed(*policy, caller, name, {{"method", "PUT"}}));
        EXPECT_EQ(policy->names(caller, name), expected);
      }
}

TEST(Policy, CostsNoMoreWithTenThousandGrants) {
  std::string text;
  for (int i = 0; i < 10'000; ++i)
    text += grant("g" + std::to_string(i), "\"key-" + std::to_string(i) + "\"", "uid = 1001",
                  "facts = { service = \"s3\", path = \"/a/**\" }");
  const auto many = load(text);
  const auto few = load(
      grant("g", "\"key-9999\"", "uid = 1001", "facts = { service = \"s3\", path = \"/a/**\" }"));
  const Caller caller = orders();
  const Facts facts = facts_of({{"service", "s3"}, {"path", "/a/b/c"}, {"method", "GET"}});
  const auto time_of = [&](const Policy& policy) {
    auto best = std::chrono::nanoseconds::max();
    for (int run = 0; run < 20; ++run) {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(policy.decide({caller, "key-9999", facts}).allowed);
      best = std::min(best, std::chrono::nanoseconds(std::chrono::steady_clock::now() - start));
    }
    return best / 500;
  };
  const auto cost_of_many = time_of(*many), cost_of_few = time_of(*few);
  RecordProperty("ns_of_10000", std::to_string(cost_of_many.count()));
  RecordProperty("ns_of_1", std::to_string(cost_of_few.count()));
  EXPECT_LT(cost_of_many, 3 * cost_of_few + 2us);
}

// Threat row 19: what a connection may cost before it has said anything.
TEST(Policy, MayNameACallerWhateverItExecutes) {
  const auto policy = load(grant("by-uid", "\"a\"", "uid = 1001, exe = \"/usr/bin/orders\"") +
                           grant("by-gid", "\"a\"", "gid = 2000, uid = [5, 6]") +
                           grant("by-group", "\"a\"", "gid = 3000") +
                           grant("by-unit", "\"a\"", "unit = \"batch.service\"") +
                           grant("by-pattern", "\"a\"", "unit = \"worker@*.service\"") +
                           grant("filled", "\"j\"", "uid = 9", "set = { subject = \"{exe}\" }"));
  const auto named = [&](uid_t uid, gid_t gid, const char* unit) {
    Caller caller;
    caller.uid = uid;
    caller.gid = gid;
    caller.unit = unit;
    return policy->may_name(caller);
  };
  EXPECT_TRUE(named(1001, 1, "")) << "the executable is open";
  EXPECT_FALSE(named(1002, 1, ""));
  EXPECT_FALSE(named(1002, 2000, "")) << "the group alone is not enough";
  EXPECT_TRUE(named(5, 2000, ""));
  EXPECT_TRUE(named(1002, 3000, ""));
  EXPECT_TRUE(named(1002, 1, "batch.service"));
  EXPECT_TRUE(named(1002, 1, "worker@7.service"));
  EXPECT_FALSE(named(1002, 1, "other.service"));
  EXPECT_TRUE(named(9, 1, ""));
  EXPECT_FALSE(Policy().may_name(orders()));
}

}  // namespace
}  // namespace holdfast::policy
