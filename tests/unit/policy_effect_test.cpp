// Grants that deny, and what is explained of a decision.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

const Pairs kGet{{"service", "s3"}, {"method", "GET"}, {"path", "/a"},     {"bucket", "own"},
                 {"host", "h"},     {"region", "eu"},  {"mode", "header"}, {"payload", "signed"}};

Pairs and_also(Pairs pairs, const Pairs& more) {
  pairs.insert(pairs.end(), more.begin(), more.end());
  return pairs;
}

// Is it denied beside a grant that allows everything?
bool denied(const std::string& rest, const Asked& asked) {
  const std::string open =
      "facts = { action = [\"**\", \"unknown\"], signing_options = true, encoded_path = true, typ "
      "= "
      "\"**\", \"header.*\" = \"**\", \"claim.*\" = \"**\" }\nlimits = { ttl = \"9h\" }";
  // The action may be missing by "unknown"; typ has to be there, so another grant is for the rest.
  const std::string rest_open =
      "facts = { action = [\"**\", \"unknown\"], signing_options = true, encoded_path = true, "
      "\"header.*\" = \"**\", \"claim.*\" = \"**\" }\nlimits = { ttl = \"9h\" }";
  const auto policy = load(allow("a", open) + allow("b", rest_open) + deny("no", rest));
  const Decision decision = asked.decide(*policy);
  EXPECT_EQ(decision.allowed, !decision.denied) << decision.reason;
  EXPECT_TRUE(!decision.denied || policy->grant_name(decision.grant) == "no");
  return decision.denied;
}

TEST(PolicyDeny, WinsOverEveryAllowWhateverTheOrder) {
  const std::string no = deny("no", "facts = { method = \"DELETE\" }");
  for (const std::string& text :
       {no + allow("a") + allow("b"), allow("a") + no + allow("b"), allow("a") + allow("b") + no}) {
    EXPECT_TRUE(allowed(text, {.facts = kGet}));
    const auto policy = load(text);
    const Decision decision =
        Asked{.facts = {{"service", "s3"}, {"method", "DELETE"}}}.decide(*policy);
    EXPECT_FALSE(decision.allowed);
    EXPECT_TRUE(decision.denied);
    EXPECT_EQ(policy->grant_name(decision.grant), "no");
    EXPECT_THAT(decision.reason, HasSubstr("\"no\" (h.toml:"));
    EXPECT_THAT(decision.reason,
                HasSubstr("denies it: \"method\" was \"DELETE\", wanted \"DELETE\""));
  }
}

TEST(PolicyDeny, AllowsNothingByItself) {
  const Decision decision =
      Asked{.facts = kGet}.decide(*load(deny("no", "facts = { method = \"PUT\" }")));
  EXPECT_FALSE(decision.allowed);
  EXPECT_FALSE(decision.denied);
  EXPECT_EQ(decision.reason, "no grant names the key k");
}

TEST(PolicyDeny, NamesKeysByPatternAndByPlaces) {
  for (const char* key : {"\"*\"", "\"k*\"", "[\"x\", \"k\"]"}) {
    const std::string no =
        "[[grant]]\nname = \"no\"\neffect = \"deny\"\nkey = " + std::string(key) + "\n";
    EXPECT_FALSE(allowed(allow("a") + no, {}));
  }
  EXPECT_TRUE(
      allowed(allow("a") + "[[grant]]\nname = \"no\"\neffect = \"deny\"\nkey = \"x\"\n", {}));
  const std::string own =
      allow("a") + "[[grant]]\nname = \"no\"\neffect = \"deny\"\nkey = \"{unit}\"\n";
  EXPECT_TRUE(allowed(own, {}));
  Asked nowhere;
  nowhere.caller.unit = "";
  EXPECT_FALSE(allowed(own, nowhere)) << "the unit that is not known may be called like the key";
}

TEST(PolicyDeny, WhatIsNotKnownOfTheCallerIsDenied) {
  for (const char* caller :
       {"unit = \"batch.service\"", "user_unit = \"x.service\"", "exe = \"/usr/bin/curl\"",
        "label = \"l\"", "unit = { not = \"orders.service\" }"}) {
    const std::string no = deny("no", "caller = { " + std::string(caller) + " }");
    Asked asked;
    asked.caller.user_unit = "y.service";
    asked.caller.label = "m";
    EXPECT_TRUE(allowed(allow("a") + no, asked)) << caller;
    asked.caller.unit = asked.caller.user_unit = asked.caller.exe = asked.caller.label = "";
    EXPECT_FALSE(allowed(allow("a") + no, asked)) << caller;
  }
  const std::string user = allow("a") + deny("no", "caller = { uid = [7, 8], gid = 2000 }");
  EXPECT_TRUE(allowed(user, {}));
  EXPECT_FALSE(allowed(allow("a") + deny("no", "caller = { uid = 1001, gid = 2000 }"), {}));
  EXPECT_TRUE(allowed(allow("a") + deny("no", "caller = { uid = 1001, gid = 2001 }"), {}));
}

TEST(PolicyDeny, DigestAloneNamesWhoIsDenied) {
  const std::string text =
      allow("a") + deny("no", "caller = { exe_sha256 = \"" + std::string(64, 'b') + "\" }");
  Asked asked;
  asked.caller.exe_sha256 = std::string(64, 'a');
  EXPECT_TRUE(allowed(text, asked));
  asked.caller.exe_sha256 = std::string(64, 'b');
  EXPECT_FALSE(allowed(text, asked));
  asked.caller.exe_sha256 = "";
  EXPECT_FALSE(allowed(text, asked)) << "it may be that one";
}

TEST(PolicyDeny, OneValueIsEnough) {
  const std::string rest = "facts = { \"header.x-amz-acl\" = \"public-*\" }";
  EXPECT_FALSE(denied(rest, {.facts = and_also(kGet, {{"header.x-amz-acl", "private"}})}));
  EXPECT_TRUE(denied(rest, {.facts = and_also(kGet, {{"header.x-amz-acl", "private"},
                                                     {"header.x-amz-acl", "public-read"}})}));
  EXPECT_FALSE(denied(rest, {.facts = kGet})) << "there certainly is none";
  EXPECT_TRUE(
      denied("facts = { method = { not = [\"GET\", \"HEAD\"] } }", {.facts = {{"method", "PUT"}}}));
  EXPECT_FALSE(denied("facts = { method = { not = [\"GET\", \"HEAD\"] } }", {.facts = kGet}));
}

TEST(PolicyDeny, AllOfItsConditionsHaveToHold) {
  const std::string rest = "facts = { method = \"GET\", path = \"/secret/**\" }";
  EXPECT_FALSE(denied(rest, {.facts = kGet}));
  EXPECT_TRUE(denied(rest, {.facts = {{"method", "GET"}, {"path", "/secret/a"}}}));
}

TEST(PolicyDeny, FactThatMayBeThereIsDenied) {
  // What every request of a protocol has, and S3's bucket, which can be unknown.
  Pairs no_bucket = kGet;
  std::erase_if(no_bucket, [](const Fact& fact) { return fact.name == "bucket"; });
  EXPECT_TRUE(denied("facts = { bucket = \"private\" }", {.facts = no_bucket}));
  EXPECT_FALSE(denied("facts = { bucket = \"private\" }", {.facts = kGet}));
  EXPECT_FALSE(denied("facts = { bucket = \"private\" }", {.facts = {{"service", "ec2"}}}));
  EXPECT_TRUE(denied("facts = { bucket = \"private\" }", {.facts = {{"path", "/a"}}}));
  EXPECT_TRUE(denied("facts = { path = \"/secret\" }", {.facts = {{"service", "s3"}}}));
  EXPECT_TRUE(denied("facts = { path = \"/secret\" }", {}));
  const Pairs unheard_of{{"of_a_later_version", "x"}};
  EXPECT_TRUE(denied("facts = { path = \"/secret\" }", {.facts = unheard_of}))
      << "it tells nothing of the protocol";
  EXPECT_TRUE(denied("facts = { audience = \"x\" }", {.ttl = 60s}));
  EXPECT_TRUE(denied("facts = { ttl = { min = 9 } }", {.facts = {{"audience", "x"}}}));
  EXPECT_TRUE(denied("facts = { algorithm = \"PS256\" }", {.facts = {{"audience", "x"}}}));
}

TEST(PolicyDeny, FactOfAnotherProtocolIsCertainlyNotThere) {
  const Pairs token{{"audience", "x"}, {"algorithm", "ES256"}}, digest{{"algorithm", "ES256"}};
  for (const char* fact :
       {"path = \"**\"", "bucket = \"**\"", "host = { cidr = \"10.0.0.0/8\" }"}) {
    EXPECT_FALSE(denied("facts = { " + std::string(fact) + " }", {.facts = token}));
    EXPECT_FALSE(denied("facts = { " + std::string(fact) + " }", {.facts = digest}));
    EXPECT_FALSE(denied("facts = { " + std::string(fact) + " }", {.ttl = 60s}));
  }
  for (const char* fact : {"audience = \"**\"", "ttl = { min = 1 }", "algorithm = \"**\""})
    EXPECT_FALSE(denied("facts = { " + std::string(fact) + " }", {.facts = kGet}));
  EXPECT_FALSE(denied("facts = { audience = \"**\" }", {.facts = digest}));
  for (const char* fact : {"issuer = \"**\"", "subject = \"**\"", "typ = \"**\"", "action = \"**\"",
                           "expires_in = { min = 1 }", "\"query.a\" = \"**\"",
                           "\"claim.*\" = \"**\"", "signing_options = true"})
    for (const Pairs& facts : {kGet, token})
      EXPECT_FALSE(denied("facts = { " + std::string(fact) + " }", {.facts = facts})) << fact;
}

TEST(PolicyDeny, FactsThatTwoProtocolsShareSayOfWhichTheRequestIs) {
  const Pairs session{{"service", "rolesanywhere"},
                      {"action", "CreateSession"},
                      {"region", "eu"},
                      {"host", "h"},
                      {"role", "r"},
                      {"profile", "p"},
                      {"trust_anchor", "t"},
                      {"duration", "3600"}};
  for (const char* fact : {"role = \"**\"", "profile = \"**\"", "trust_anchor = \"**\"",
                           "session_name = \"**\"", "duration = { min = 1 }"}) {
    const std::string rest = "facts = { " + std::string(fact) + " }";
    EXPECT_FALSE(denied(rest, {.facts = kGet})) << fact;
    EXPECT_FALSE(denied(rest, {.facts = {{"audience", "x"}}})) << fact;
    EXPECT_EQ(denied(rest, {.facts = session}), std::string_view(fact).find("session_name") != 0);
  }
  for (const char* fact : {"method = \"**\"", "path = \"**\"", "bucket = \"**\"", "mode = \"**\""})
    EXPECT_FALSE(denied("facts = { " + std::string(fact) + " }", {.facts = session})) << fact;
  EXPECT_TRUE(denied("facts = { region = \"eu\" }", {.facts = session}));
  // A question that leaves out what would tell them apart.
  EXPECT_TRUE(denied("facts = { role = \"r\" }", {.facts = {{"region", "eu"}}}));
}

TEST(PolicyDeny, ValueThatCanNotBeReadIsDenied) {
  EXPECT_TRUE(denied("facts = { \"query.n\" = { min = 5 } }", {.facts = {{"query.n", "0x1"}}}));
  EXPECT_FALSE(denied("facts = { \"query.n\" = { min = 5 } }", {.facts = {{"query.n", "4"}}}));
  EXPECT_TRUE(denied("facts = { action = \"Delete*\" }", {.facts = {{"action", "unknown"}}}));
  EXPECT_FALSE(
      denied("facts = { action = { not = \"unknown\" } }", {.facts = {{"action", "unknown"}}}));
  EXPECT_FALSE(denied("facts = { action = \"Delete*\" }", {.facts = {{"action", "Get"}}}));
  for (const char* host :
       {"169.254.169.254", "[::ffff:169.254.169.254]", "0xa9fea9fe", "2852039166", "169.254.43518",
        "0251.254.169.254", "169.254.169.254.", "169.254.169.254:80"})
    EXPECT_TRUE(
        denied("facts = { host = { cidr = \"169.254.0.0/16\" } }", {.facts = {{"host", host}}}))
        << host;
  for (const char* host : {"example.com", "10.0.0.1", "[::1]"})
    EXPECT_FALSE(
        denied("facts = { host = { cidr = \"169.254.0.0/16\" } }", {.facts = {{"host", host}}}))
        << host;
  Asked asked{.facts = {{"path", "/b"}}};
  asked.caller.user = "";
  EXPECT_TRUE(denied("facts = { path = \"/{user}\" }", asked));
  EXPECT_TRUE(denied("facts = { path = { not = \"/{user}\" } }", asked));
}

TEST(PolicyDeny, FalseDeniesWhatIsMissing) {
  const std::string rest =
      "facts = { method = \"PUT\", \"header.x-amz-server-side-encryption\" = false }";
  EXPECT_TRUE(denied(rest, {.facts = {{"method", "PUT"}}}));
  EXPECT_FALSE(denied(
      rest, {.facts = {{"method", "PUT"}, {"header.x-amz-server-side-encryption", "aws:kms"}}}));
  EXPECT_TRUE(denied("facts = { \"query.*\" = false }", {.facts = kGet}));
  EXPECT_FALSE(
      denied("facts = { \"query.*\" = false }", {.facts = and_also(kGet, {{"query.a", ""}})}));
  EXPECT_TRUE(denied("facts = { encoded_path = true }", {.facts = {{"encoded_path", "true"}}}));
  EXPECT_FALSE(denied("facts = { encoded_path = true }", {.facts = kGet}));
  EXPECT_TRUE(denied("facts = { encoded_path = false }", {.facts = kGet}));
}

TEST(PolicyDeny, SeesAClaimByEveryNameThatAVerifierMayTakeForIt) {
  const std::string rest = "facts = { \"claim.admin\" = \"**\" }";
  for (const std::string& name :
       {std::string("admin"), std::string("Admin"), std::string("admin\0x", 7)})
    EXPECT_TRUE(denied(rest, {.facts = {{"audience", "a"}, {"claim." + name, "1"}}}));
  EXPECT_FALSE(denied(rest, {.facts = {{"audience", "a"}, {"claim.other", "1"}}}));
}

TEST(PolicyDeny, JudgesWhatIsForcedToo) {
  const std::string text =
      allow("a", "set = { issuer = \"https://id\", subject = \"{unit}\", \"claim.role\" = \"7\" }");
  const Asked asked{.facts = {{"audience", "x"}}, .ttl = 60s};
  for (const char* yes :
       {"issuer = \"https://id\"", "subject = \"orders.*\"", "\"claim.role\" = \"\\\"7\\\"\"",
        "\"claim.Role\" = \"**\"", "\"claim.*\" = \"**\"", "ttl = { min = 60 }"})
    EXPECT_FALSE(allowed(text + deny("no", "facts = { " + std::string(yes) + " }"), asked)) << yes;
  for (const char* no : {"issuer = \"https://evil\"", "subject = \"root\"", "\"claim.*\" = \"x\"",
                         "ttl = { min = 61 }"})
    EXPECT_TRUE(allowed(text + deny("no", "facts = { " + std::string(no) + " }"), asked)) << no;
}

TEST(PolicyDeny, HoldsInItsWindow) {
  const std::string text = allow("a") + deny("no", "when = { days = \"sun\" }");
  EXPECT_FALSE(allowed(text, {.now = *from_rfc3339("2026-01-04T12:00:00Z")}));
  EXPECT_TRUE(allowed(text, {.now = *from_rfc3339("2026-01-05T12:00:00Z")}));
}

TEST(PolicyDeny, HidesAKeyOnlyIfItDeniesEverything) {
  const auto names = [](const std::string& rest, const char* key = "k") {
    return load(allow("a") + deny("no", rest))->names(orders(), key);
  };
  EXPECT_FALSE(names(""));
  EXPECT_FALSE(names("caller = { uid = 1001 }"));
  EXPECT_FALSE(names("caller = { label = \"l\" }")) << "the label is not known";
  EXPECT_TRUE(names("caller = { uid = 7 }"));
  EXPECT_TRUE(names("caller = { gid = 7 }"));
  EXPECT_TRUE(names("facts = { method = \"PUT\" }"));
  EXPECT_TRUE(names("when = { days = \"sun\" }"));
  EXPECT_FALSE(names("", "other"));
  const auto policy = load(allow("a") + deny("no"));
  EXPECT_THAT(policy->grants_of(orders()), ElementsAre("a"));
  EXPECT_TRUE(policy->may_name(orders()));
  EXPECT_FALSE(load(deny("no", "caller = { uid = 1001 }"))->may_name(orders()));
}

TEST(PolicyDeny, RefusesWhatCanNotBeMeant) {
  for (const auto& [rest, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {"limits = { rate = \"1/s\" }", "means nothing in a grant that denies"},
           {"set = { subject = \"x\" }", "means nothing in a grant that denies"},
           {"facts = { expires_in = 900 }", "{ min = 901 }"},
           {"facts = { ttl = 900 }", "{ min = 901 }"},
           {"caller = { uid = 1, nested = true }", "is for grants that allow"},
           {"caller = {}", "leave it out to deny everybody"}})
    EXPECT_THAT(complaint(deny("no", rest)), HasSubstr(part)) << rest;
  for (const char* good :
       {"caller = { exe = \"/usr/bin/curl\" }", "caller = { user_unit = \"x.service\" }", ""})
    EXPECT_EQ(complaint(deny("no", good)), "") << good;
}

TEST(PolicyExplain, ShowsEachConditionOfEachGrantThatNamesTheKey) {
  const auto policy = load(allow("a", "facts = { method = \"PUT\" }") +
                           deny("no", "caller = { label = \"l\" }\nfacts = { method = \"GET\" }") +
                           allow("b", "facts = { method = \"GET\" }\nwhen = { days = \"thu\" }") +
                           "[[grant]]\nname = \"other\"\nkey = \"x\"\ncaller = { uid = 1001 }\n");
  Facts facts;
  facts.add("method", "GET");
  const Caller caller = orders();
  const auto all = policy->explain({caller, "k", facts});
  ASSERT_EQ(all.size(), 3u);
  EXPECT_FALSE(all[0].takes_effect);
  EXPECT_EQ(all[0].findings.at(1).text, "\"method\" was \"GET\", wanted \"PUT\"");
  EXPECT_EQ(all[0].findings.at(1).holds, Truth::no);
  EXPECT_TRUE(all[1].denies && all[1].takes_effect);
  EXPECT_EQ(all[1].findings.at(0).text, "caller: label is not known, wanted \"l\"");
  EXPECT_EQ(all[1].findings.at(0).holds, Truth::unknown);
  EXPECT_TRUE(all[1].findings.at(0).fits);
  EXPECT_TRUE(all[2].takes_effect);
  ASSERT_EQ(all[2].findings.size(), 3u);
  EXPECT_EQ(all[2].findings[0].text, "caller: uid is 1001");
  EXPECT_THAT(all[2].findings[1].text, HasSubstr("now is thu"));
  for (const Finding& finding : all[2].findings) EXPECT_EQ(finding.holds, Truth::yes);
  EXPECT_THAT(policy->explain({caller, "none", facts}), IsEmpty());
  EXPECT_EQ(policy->grant_place(all[0].grant), "h.toml:1");
}

TEST(PolicyExplain, JudgesADenyWithoutAndWithSeveralThatAllow) {
  Facts facts;
  facts.add("audience", "x");
  const Caller caller = orders();
  const std::string no = deny("no", "facts = { issuer = \"https://id\" }");
  const auto alone = load(no)->explain({caller, "k", facts});
  ASSERT_EQ(alone.size(), 1u);
  EXPECT_FALSE(alone[0].takes_effect);
  EXPECT_EQ(alone[0].findings.at(0).text, "issuer is not there, wanted \"https://id\"");
  // The first one allows, and what it forces is what the deny judges.
  const std::string forces = "set = { issuer = \"https://id\" }";
  EXPECT_TRUE(
      load(allow("a", forces) + allow("b") + no)->explain({caller, "k", facts}).at(2).takes_effect);
  EXPECT_FALSE(
      load(allow("a") + allow("b", forces) + no)->explain({caller, "k", facts}).at(2).takes_effect);
}

TEST(PolicyDeny, ReasonIsBounded) {
  std::string rest = "[grant.facts]\n";
  Asked asked;
  for (int i = 0; i < 20; ++i) {
    rest += "\"query." + std::to_string(i) + "\" = \"**\"\n";
    asked.facts.push_back({"query." + std::to_string(i), "v"});
  }
  const Decision decision = asked.decide(*load(allow("a") + deny("no", rest)));
  EXPECT_TRUE(decision.denied);
  EXPECT_LT(decision.reason.size(), 400u);
}

TEST(Policy, MayNameOnlyWhomItCouldAllow) {
  Caller caller = orders();
  const auto may = [&](const std::string& who, const std::string& rest = "") {
    return load("[[grant]]\nname = \"a\"\nkey = \"k\"\ncaller = { " + who + " }\n" + rest)
        ->may_name(caller);
  };
  EXPECT_TRUE(may("gid = 1001"));
  EXPECT_TRUE(may("gid = 2000")) << "a supplementary group";
  EXPECT_FALSE(may("gid = 2001"));
  EXPECT_TRUE(may("gid = { min = 1000, max = 1002 }"));
  EXPECT_TRUE(may("unit = \"orders.service\", exe = \"/other\""))
      << "the executable may be another soon";
  EXPECT_TRUE(may("unit = { not = \"x.service\" }"));
  caller.unit = "";
  EXPECT_FALSE(may("uid = 1001", "set = { subject = \"{unit}\" }"));
  EXPECT_TRUE(may("uid = 1001", "set = { subject = \"{exe}\" }"));
  EXPECT_TRUE(load(allow("a", "set = { subject = \"{user_unit}\" }"))->needs_process_identity());
}

}  // namespace
}  // namespace holdfast::policy
