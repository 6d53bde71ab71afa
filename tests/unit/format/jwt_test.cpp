#include "daemon/format/jwt.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"

namespace holdfast::format {
namespace {

using namespace std::string_view_literals;

json::object sample() {
  return {{"key", "orders-jwt"}, {"audience", "https://api.example.com"}, {"ttl", 300}};
}

json::object with(std::string_view name, json::value value) {
  json::object body = sample();
  body[name] = std::move(value);
  return body;
}

std::string complaint_of(const json::object& body) {
  try {
    JwtRequest::parse(body);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail() : "WRONG KIND";
  }
}

std::vector<std::string> facts_of(const json::object& body, std::string_view name) {
  std::vector<std::string> values;
  const JwtRequest request = JwtRequest::parse(body);
  for (const Fact& fact : request.facts().all())
    if (fact.name == name) values.push_back(fact.value);
  return values;
}

json::object decoded(std::string part) {
  std::ranges::replace(part, '-', '+');
  std::ranges::replace(part, '_', '/');
  part.append((4 - part.size() % 4) % 4, '=');
  return parse_json_object(as_text(*from_base64(part)));
}

const SystemTime kNow = *from_rfc3339("2026-01-01T00:00:00Z");
constexpr std::int64_t kNowSeconds = 1767225600;

struct Token {
  json::object header, payload;
};

Token minted(const json::object& body, std::map<std::string, std::string> forced = {}) {
  JwtRequest request = JwtRequest::parse(body);
  request.settle(KeyType::ec_p256);
  const JwtBytes bytes =
      request.bytes(Algorithm::es256, {kNow, "the-kid", "the-jti", std::move(forced)});
  const std::size_t dot = bytes.signing_input.find('.');
  return {decoded(bytes.signing_input.substr(0, dot)),
          decoded(bytes.signing_input.substr(dot + 1))};
}

TEST(JwtFormat, MintsWhatWasAsked) {
  json::object body = sample();
  body["issuer"] = "https://id.example.com";
  body["subject"] = "orders";
  body["claims"] = json::object{{"scope", "read"}, {"n", 9007199254740993}};
  const Token token = minted(body);
  EXPECT_EQ(token.header, (json::object{{"alg", "ES256"}, {"typ", "JWT"}, {"kid", "the-kid"}}));
  EXPECT_EQ(token.payload, (json::object{{"iss", "https://id.example.com"},
                                         {"sub", "orders"},
                                         {"aud", "https://api.example.com"},
                                         {"iat", kNowSeconds},
                                         {"nbf", kNowSeconds},
                                         {"exp", kNowSeconds + 300},
                                         {"jti", "the-jti"},
                                         {"scope", "read"},
                                         {"n", 9007199254740993}}));
}

TEST(JwtFormat, LeavesOutWhatIsNeitherGivenNorForced) {
  const Token token = minted(sample());
  EXPECT_FALSE(token.payload.contains("iss"));
  EXPECT_FALSE(token.payload.contains("sub"));
}

TEST(JwtFormat, PutsWhatTheGrantForcesBeforeWhatTheCallerGave) {
  json::object body = sample();
  body["issuer"] = "https://evil.example";
  body["claims"] = json::object{{"tenant", "other"}, {"scope", "read"}};
  const Token token = minted(body, {{"issuer", "https://id.example.com"},
                                    {"subject", "orders.service"},
                                    {"backdate", "90s"},
                                    {"claim.tenant", "acme"}});
  EXPECT_EQ(token.payload.at("iss"), "https://id.example.com");
  EXPECT_EQ(token.payload.at("sub"), "orders.service");
  EXPECT_EQ(token.payload.at("tenant"), "acme");
  EXPECT_EQ(token.payload.at("scope"), "read");
  EXPECT_EQ(token.payload.at("iat"), kNowSeconds - 90);
  EXPECT_EQ(token.payload.at("nbf"), kNowSeconds - 90);
  EXPECT_EQ(token.payload.at("exp"), kNowSeconds + 300) << "backdating shortens nothing";
}

TEST(JwtFormat, KeepsTheAudiencesForm) {
  EXPECT_EQ(minted(with("audience", {"a", "b"})).payload.at("aud"), (json::array{"a", "b"}));
  EXPECT_EQ(minted(with("audience", json::array{"a"})).payload.at("aud"), (json::array{"a"}));
  EXPECT_EQ(facts_of(with("audience", {"a", "b"}), "audience"),
            (std::vector<std::string>{"a", "b"}));
}

TEST(JwtFormat, RefusesAnAudienceThatNamesNobody) {
  for (const json::value& audience :
       {json::value(""), json::value(json::array{}), json::value(json::array{"a", ""}),
        json::value(json::array{"a", 1}), json::value(17), json::value(nullptr),
        json::value(json::array(17, "a")), json::value(std::string(1025, 'a'))})
    EXPECT_TRUE(complaint_of(with("audience", audience)).starts_with("audience"))
        << json::serialize(audience);
}

TEST(JwtFormat, RefusesARegisteredClaim) {
  for (const char* name : {"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
    EXPECT_TRUE(complaint_of(with("claims", json::object{{name, "x"}})).starts_with("claims"))
        << name;
  EXPECT_EQ(complaint_of(with("claims", json::object{{"issue", "x"}})), "");
}

// What some verifiers take for a registered claim all the same: Go's encoding/json, and readers in C.
TEST(JwtFormat, RefusesANameThatAVerifierMayTakeForARegisteredClaim) {
  for (const char* name : {"Sub", "SUB", "\xC5\xBFub", "i\xC5\xBFS", "Exp", "JTI"})
    EXPECT_TRUE(complaint_of(with("claims", json::object{{name, "x"}})).starts_with("claims"))
        << name;
  for (const std::string_view name : {"sub\0"sv, "sub\0x"sv, "Exp\0"sv})
    EXPECT_TRUE(complaint_of(with("claims", json::object{{name, "x"}})).starts_with("claims"));
}

TEST(JwtFormat, BoundsClaims) {
  EXPECT_NE(complaint_of(with("claims", json::object{{"", 1}})), "");
  EXPECT_NE(complaint_of(with("claims", json::array{})), "");
  EXPECT_NE(complaint_of(with("claims", json::object{{std::string(129, 'n'), 1}})), "");
  EXPECT_NE(complaint_of(with("claims", json::object{{"x", std::string(16 * 1024, 'x')}})), "");
  json::object many;
  for (int i = 0; i < 65; ++i) many["c" + std::to_string(i)] = i;
  EXPECT_NE(complaint_of(with("claims", many)), "");
  json::value deep = 1;
  for (int i = 0; i < 15; ++i) deep = json::array{deep};
  EXPECT_EQ(complaint_of(with("claims", json::object{{"x", deep}})), "");
  EXPECT_NE(complaint_of(with("claims", json::object{{"x", json::array{deep}}})), "");
}

TEST(JwtFormat, GivesEachClaimAFact) {
  const auto facts = [](json::value value) {
    return facts_of(with("claims", json::object{{"c", std::move(value)}}), "claim.c");
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(facts("read"), Texts{"read"});
  EXPECT_EQ(facts("42"), Texts{"\"42\""});
  EXPECT_EQ(facts(42), Texts{"42"});
  EXPECT_EQ(facts(false), Texts{"false"});
  EXPECT_EQ(facts("false"), Texts{"\"false\""});
  EXPECT_EQ(facts(nullptr), Texts{"null"});
  EXPECT_EQ(facts(json::array{"a", 1}), (Texts{"a", "1"}));
  EXPECT_EQ(facts(json::array{}), Texts{"[]"}) << "an empty list must not pass unseen";
  EXPECT_EQ(facts(json::object{{"a", 1}}), Texts{"{\"a\":1}"});
}

TEST(JwtFormat, TakesTheKeysOwnAlgorithmUnlessToldAnother) {
  JwtRequest request = JwtRequest::parse(sample());
  EXPECT_EQ(request.facts().find("algorithm"), nullptr);
  request.settle(KeyType::rsa_2048);
  EXPECT_EQ(*request.facts().find("algorithm"), "RS256");
  EXPECT_EQ(request.algorithm_for(KeyType::rsa_2048), Algorithm::rs256);

  JwtRequest told = JwtRequest::parse(with("algorithm", "PS256"));
  told.settle(KeyType::rsa_2048);
  EXPECT_EQ(facts_of(with("algorithm", "PS256"), "algorithm"), std::vector<std::string>{"PS256"});
  EXPECT_EQ(told.algorithm_for(KeyType::rsa_3072), Algorithm::ps256);
  for (const KeyType type : {KeyType::ec_p256, KeyType::ec_p384, KeyType::hmac_sha256})
    EXPECT_THROW(told.algorithm_for(type), Error);
}

// RFC 8037 §3.1.
TEST(JwtFormat, SaysEdDsaForAnEd25519KeyAndForNoOther) {
  JwtRequest request = JwtRequest::parse(sample());
  request.settle(KeyType::ed25519);
  EXPECT_EQ(*request.facts().find("algorithm"), "EdDSA");
  EXPECT_EQ(request.algorithm_for(KeyType::ed25519), Algorithm::eddsa);
  const JwtRequest told = JwtRequest::parse(with("algorithm", "EdDSA"));
  EXPECT_EQ(told.algorithm_for(KeyType::ed25519), Algorithm::eddsa);
  for (const KeyType type : {KeyType::ec_p256, KeyType::rsa_2048, KeyType::hmac_sha256})
    EXPECT_THROW(told.algorithm_for(type), Error);
  EXPECT_THROW(JwtRequest::parse(with("algorithm", "ES256")).algorithm_for(KeyType::ed25519),
               Error);
}

TEST(JwtFormat, RefusesOtherAlgorithms) {
  for (const char* name : {"none", "HS256", "Ed25519", "es256", "ES512", ""})
    EXPECT_TRUE(complaint_of(with("algorithm", name)).starts_with("algorithm")) << name;
}

TEST(JwtFormat, RefusesATypThatIsNoMediaType) {
  for (const char* typ : {"JWT", "at+jwt", "application/dpop+jwt", "secevent+jwt"})
    EXPECT_EQ(complaint_of(with("typ", typ)), "") << typ;
  for (const std::string& typ : {std::string(), std::string("a b"), std::string("a\n"),
                                 std::string("\"x\""), std::string(65, 'x')})
    EXPECT_TRUE(complaint_of(with("typ", json::string(typ))).starts_with("typ")) << typ;
}

TEST(JwtFormat, RefusesATtlOutsideItsBounds) {
  for (const json::value& ttl : {json::value(0), json::value(-1), json::value(31536001),
                                 json::value("300"), json::value(1.5), json::value(nullptr)})
    EXPECT_TRUE(complaint_of(with("ttl", ttl)).starts_with("ttl")) << json::serialize(ttl);
}

TEST(JwtFormat, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(complaint_of(with("kid", "mine")), "");
  EXPECT_NE(complaint_of(with("alg", "none")), "");
  EXPECT_NE(complaint_of(with("issuer", "")), "");
}

}  // namespace
}  // namespace holdfast::format
