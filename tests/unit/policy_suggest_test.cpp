#include "daemon/policy/suggest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "daemon/base/error.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Request {
  std::string key = "orders-aws";
  Caller caller;
  Facts facts;
  std::int64_t skew = 0;
  std::optional<std::int64_t> ttl;
  std::string reason = "no grant names the key orders-aws";

  Request() {
    caller.uid = 4001001;
    caller.unit = "orders.service";
  }
  json::object to_json() const {
    json::array pairs;
    for (const Fact& fact : facts.all()) pairs.push_back(json::array{fact.name, fact.value});
    json::object object{{"request_id", "01J"},
                        {"time", "2026-01-01T00:00:00Z"},
                        {"operation", "sign.sigv4"},
                        {"key", key},
                        {"decision", "deny"},
                        {"code", "not_permitted"},
                        {"reason", reason},
                        {"facts", pairs},
                        {"skew_seconds", skew},
                        {"caller", json::object{{"pid", 7},
                                                {"uid", caller.uid},
                                                {"gid", caller.gid},
                                                {"user", caller.user},
                                                {"unit", caller.unit},
                                                {"user_unit", caller.user_unit},
                                                {"exe", caller.exe},
                                                {"label", caller.label},
                                                {"nested", caller.nested}}}};
    if (ttl) object["ttl_seconds"] = *ttl;
    // As it comes from the socket.
    return parse_json_object(json::serialize(object));
  }
  Decision decide(const Policy& policy) const {
    Question question{caller, key, facts, std::chrono::seconds(skew)};
    if (ttl) question.ttl = std::chrono::seconds(*ttl);
    return policy.decide(question);
  }
};

// The suggestion, which has to load and to allow this very request.
std::string suggestion(const Request& request) {
  const std::string text = suggest(request.to_json());
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7F)) << int(c);
  try {
    const auto policy = Policy::load({{"s.toml", text}});
    EXPECT_EQ(policy->size(), 1u) << text;
    const Decision decision = request.decide(*policy);
    EXPECT_TRUE(decision.allowed) << decision.reason << "\n" << text;
    Request stranger = request;
    stranger.caller.uid += 1;
    EXPECT_FALSE(stranger.decide(*policy).allowed) << text;
    stranger = request;
    stranger.key = "other";
    EXPECT_FALSE(stranger.decide(*policy).allowed) << text;
  } catch (const Error& error) {
    ADD_FAILURE() << error.detail() << "\n" << text;
  }
  return text;
}

TEST(Suggest, NamesTheLabelAndThePidNamespace) {
  Request request;
  request.caller.label = "nightly";
  request.caller.nested = true;
  const std::string text = suggestion(request);
  EXPECT_THAT(text, HasSubstr("uid = 4001001, label = \"nightly\", nested = true }"));
  Request other = request;
  other.caller.label = "weekly";
  EXPECT_FALSE(other.decide(*Policy::load({{"s.toml", text}})).allowed);
  request.caller.label = "no label*";
  EXPECT_THAT(suggestion(request), Not(HasSubstr("label =")));
}

TEST(Suggest, BindsWhatTheRequestSaid) {
  Request request;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"service", "s3"},
                                                        {"region", "eu-west-1"},
                                                        {"method", "GET"},
                                                        {"host", "b.s3.amazonaws.com"},
                                                        {"bucket", "b"},
                                                        {"path", "/invoices/1"},
                                                        {"mode", "query"},
                                                        {"expires_in", "900"},
                                                        {"payload", "unsigned"},
                                                        {"query.versionId", "1"},
                                                        {"header.host", "b.s3.amazonaws.com"}})
    request.facts.add(name, value);
  const std::string text = suggestion(request);
  for (const char* part :
       {"key = \"orders-aws\"\n", "caller = { unit = \"orders.service\", uid = 4001001 }",
        "service = \"s3\"\n", "region = \"eu-west-1\"\n", "method = \"GET\"\n",
        "host = \"b.s3.amazonaws.com\"\n", "bucket = \"b\"\n",
        "path = \"/invoices/1\"  # all below it: path = \"/invoices/**\"", "mode = \"query\"\n",
        "expires_in = 900\n", "payload = \"unsigned\"\n",
        "not named here: \"query.versionId\" \"header.host\"", "name = \"orders-aws-orders\""})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("limits")));

  const auto policy = Policy::load({{"s.toml", text}});
  Request other = request;
  other.facts = Facts();
  for (const Fact& fact : request.facts.all())
    other.facts.add(fact.name, fact.name == "path" ? "/invoices/2" : fact.value);
  EXPECT_FALSE(other.decide(*policy).allowed);
}

TEST(Suggest, NamesTheUnitOnlyWhereItsNameLasts) {
  for (const char* unit : {"", "session-3.scope", "user@1000.service", "init.scope", "orders"}) {
    Request request;
    request.caller.unit = unit;
    EXPECT_THAT(suggestion(request), HasSubstr("caller = { uid = 4001001 }")) << unit;
  }
}

TEST(Suggest, NamesTheUserWhereTheDatabaseHasHimUnderThatUid) {
  Request request;
  request.caller.uid = 0;
  request.caller.user = "root";
  EXPECT_THAT(suggestion(request),
              HasSubstr("caller = { unit = \"orders.service\", user = \"root\" }"));
  request.caller.uid = 4001001;
  EXPECT_THAT(suggestion(request),
              HasSubstr("caller = { unit = \"orders.service\", uid = 4001001 }"));
}

TEST(Suggest, OpensWhatIsClosed) {
  Request request;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"action", "unknown"},
                                                        {"signing_options", "true"},
                                                        {"encoded_path", "true"},
                                                        {"typ", "at+jwt"},
                                                        {"claim.role", "reader"},
                                                        {"claim.role", "writer"},
                                                        {"claim.empty", ""},
                                                        {"header.x-amz-copy-source", "/b/k"}})
    request.facts.add(name, value);
  request.skew = 400;
  request.ttl = 7200;
  const std::string text = suggestion(request);
  EXPECT_THAT(text, HasSubstr("max_skew = \"400s\""));
  EXPECT_THAT(text, HasSubstr("ttl = \"7200s\""));
}

TEST(Suggest, FlagsValuesThatOnlyAWiderPatternMatches) {
  const std::string note = "# wider than the request";
  std::string umlauts = "/";
  for (int i = 0; i < 1500; ++i) umlauts += "\xC3\xA4";
  for (const std::string& path :
       {std::string("/a*b"), std::string("/a**b"), std::string("/a***b****"), std::string("*"),
        "/" + std::string(5000, 'a'), std::string(), std::string(3000, '*'), umlauts}) {
    Request request;
    request.facts.add("path", path);
    EXPECT_THAT(suggestion(request), HasSubstr(note)) << path;
  }
  for (const std::string& name : {std::string("claim.*"), "claim." + std::string(3000, 'n')}) {
    Request request;
    request.facts.add(name, "1");
    request.facts.add("claim.b", "2");
    EXPECT_THAT(suggestion(request), HasSubstr(note)) << name;
  }
}

TEST(Suggest, LetsNothingOutOfItsQuotes) {
  Request request;
  request.reason = "x\n[[grant]]\nname = \"evil\"\n\x1b[2J\xE2\x80\xAE";
  request.caller.unit = "a\"b\\\n.service";
  request.caller.user = "\"\n[[grant]]";
  request.facts.add("path", "/\"\n[[grant]]\nname = \"evil\"\\");
  request.facts.add("claim.\"\n]x = 1 #", "\xF0\x9F\x98\x80\x7F\xC2\x9B");
  request.facts.add("query.\n[[grant]]", "");
  const std::string text = suggestion(request);
  EXPECT_THAT(text, HasSubstr("\\U0001F600\\u007F\\u009B"));
}

TEST(Suggest, RefusesRequestsThatLackedNoGrant) {
  json::object request = Request().to_json();
  request["decision"] = "allow";
  EXPECT_THROW(suggest(request), Error);
  request = Request().to_json();
  request["code"] = "limit_exceeded";
  try {
    suggest(request);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::conflict);
    EXPECT_THAT(error.detail(), HasSubstr("raise the limits of its grant"));
  }
}

TEST(Suggest, RefusesObjectsOfAnotherForm) {
  for (const char* name : {"request_id", "decision", "key", "caller", "facts"}) {
    json::object request = Request().to_json();
    request.erase(name);
    EXPECT_THROW(suggest(request), Error) << name;
    request[name] = json::array{json::array{1, 2, 3}};
    EXPECT_THROW(suggest(request), Error) << name;
  }
  json::object request = Request().to_json();
  request["key"] = "Not A Key";
  EXPECT_THROW(suggest(request), Error);
}

TEST(Suggest, AlwaysLoadsAndAllowsTheRequestItIsMadeFrom) {
  std::mt19937 random(5);
  const std::vector<std::string> names = {"service",
                                          "region",
                                          "method",
                                          "host",
                                          "path",
                                          "bucket",
                                          "action",
                                          "payload",
                                          "mode",
                                          "expires_in",
                                          "signing_options",
                                          "encoded_path",
                                          "role",
                                          "trust_anchor",
                                          "session_name",
                                          "duration",
                                          "algorithm",
                                          "audience",
                                          "issuer",
                                          "subject",
                                          "typ",
                                          "query.a",
                                          "header.b",
                                          "claim.c",
                                          "claim.*",
                                          "claim.\xC3\xA4 \"",
                                          "header.x-amz-copy-source",
                                          "ttl",
                                          "novel"};
  const std::vector<std::string> pieces = {"a",
                                           "Z",
                                           "/",
                                           ".",
                                           "*",
                                           "**",
                                           "\"",
                                           "\\",
                                           "\n",
                                           "\r",
                                           "\t",
                                           " ",
                                           "#",
                                           "=",
                                           "{",
                                           "}",
                                           "[",
                                           "]",
                                           "'",
                                           "\x01",
                                           "\x7F",
                                           "\xC3\xA4",
                                           "\xE2\x80\xAE",
                                           "\xF0\x9F\x98\x80",
                                           "unknown",
                                           "%2F"};
  const auto text = [&] {
    std::string made;
    for (std::size_t i = random() % 12; i > 0; --i) made += pieces[random() % pieces.size()];
    return made;
  };
  for (int i = 0; i < 2000; ++i) {
    Request request;
    request.caller.unit = random() % 2 ? text() + ".service" : text();
    request.caller.user = text();
    request.reason = text();
    for (std::size_t k = random() % 15; k > 0; --k) {
      const std::string& name = names[random() % names.size()];
      if (name == "expires_in" || name == "duration")
        request.facts.add(name, std::to_string(1 + random() % 604800));
      else if (name == "signing_options" || name == "encoded_path")
        request.facts.add(name, "true");
      else
        request.facts.add(name,
                          random() % 40 ? text() : std::string(random() % 3000, '\x01') + text());
    }
    request.skew = random() % 2 ? 0 : random() % 2 ? 301 : 400'000'000'000;
    if (random() % 2) request.ttl = random() % 100'000;
    suggestion(request);
    ASSERT_FALSE(HasFailure()) << i;
  }
}

}  // namespace
}  // namespace holdfast::policy
