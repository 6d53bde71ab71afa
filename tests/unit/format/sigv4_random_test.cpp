// What policy saw is what is signed: random requests, whose canonical request is taken apart again
// by a reader of its own and compared with the facts.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <sstream>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

std::string decoded(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] == '%') {
      result.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
      i += 2;
    } else {
      result.push_back(text[i]);
    }
  return result;
}

Strings split(const std::string& text, char separator) {
  Strings parts;
  std::string part;
  std::istringstream stream(text);
  while (std::getline(stream, part, separator)) parts.push_back(part);
  return parts;
}

struct Random {
  std::mt19937_64 engine;
  int below(int n) { return static_cast<int>(engine() % static_cast<std::uint64_t>(n)); }
  std::string pick(std::initializer_list<const char*> from) {
    return *(from.begin() + below(static_cast<int>(from.size())));
  }
  std::string text(std::initializer_list<const char*> from, int most) {
    std::string result;
    for (int n = below(most + 1); n > 0; --n) result += pick(from);
    return result;
  }
};

json::object random_request(Random& random) {
  const bool is_s3 = random.below(2) == 0;
  std::string url = "https://" + random.pick({"b.s3.amazonaws.com", "h.example:8443", "127.0.0.1"});
  if (random.below(20) != 0)
    url += "/" + random.text({"a",   "/",   "B",   ".",      "..",       "/./", "//", "%20",
                              "%25", "%2F", "%2e", "%C3%A4", "%252F",    "@",   ":",  "~",
                              "'",   ";",   "&",   "=",      "\xC3\xA4", " "},
                             12);
  for (int n = random.below(4), i = 0; i < n; ++i)
    url += std::string(i == 0 ? "?" : "&") +
           random.pick({"p", "P", "%70", "list-type", "Action", "x%26y"}) +
           random.text({"=", "a", "%3D", "%2B", "%26", "/", "%C3%A4", "?", ";", "%0A", "%25"}, 6);
  json::array headers, names;
  for (int n = random.below(5), i = 0; i < n; ++i) {
    const std::string name = random.pick(
        {"Range", "X-Amz-Meta-A", "x-amz-meta-a", "Content-Type", "Accept", "x-amz-acl"});
    headers.push_back(
        header(name, random.text({"a", " ", ",", ":", ";", "\t", "B", "\"", "\xC3\xA4"}, 8)));
    if (name == "Accept" && names.empty()) names.emplace_back("aCCEPT");
  }
  json::object body{{"key", "k"},
                    {"region", "eu-west-1"},
                    {"service", is_s3 ? "s3" : "sqs"},
                    {"method", "GET"},
                    {"url", url},
                    {"headers", headers},
                    {"sign_headers", names}};
  if (random.below(2))
    body["body"] = to_base64(as_bytes(random.text({"a", "Action=b", "&", "%41", ";"}, 5)));
  if (random.below(4) == 0) body["mode"] = "query", body["expires_in"] = 1 + random.below(604800);
  if (random.below(8) == 0) body["normalize_path"] = random.below(2) == 0;
  if (random.below(8) == 0) body["double_encode"] = random.below(2) == 0;
  return body;
}

TEST(Sigv4Facts, AreWhatARandomCanonicalRequestSaysWhenReadAgain) {
  Random random{std::mt19937_64(20260101)};
  std::map<std::string, std::string> facts_of_canonical;
  for (int round = 0; round < 20000; ++round) {
    const json::object body = random_request(random);
    const auto request = parse(body);
    const Sigv4Bytes bytes = request.bytes("AKID");
    SCOPED_TRACE(json::serialize(body) + "\n" + bytes.canonical_request);
    const Strings lines = split(bytes.canonical_request + "\n", '\n');
    ASSERT_GE(lines.size(), 6u);
    EXPECT_EQ(lines[0], values(request, "method").at(0));

    const bool is_s3 = body.at("service") == "s3";
    const bool double_encode =
        body.contains("double_encode") ? body.at("double_encode").as_bool() : !is_s3;
    const bool raw =
        std::ranges::any_of(split(std::string(body.at("url").as_string()), '?').at(0),
                            [](char c) { return c == ' ' || static_cast<signed char>(c) < 0; });
    std::string path = decoded(lines[1]);
    // A raw path is encoded once in either form, so what was an escape in it is decoded once more.
    if (double_encode) path = decoded(path);
    EXPECT_EQ(path, values(request, "path").at(0));
    if (raw) {
      EXPECT_EQ(values(request, "signing_options"), Strings{"true"});
    }

    std::multimap<std::string, std::string> query, query_facts;
    for (const std::string& pair : split(lines[2], '&')) {
      const std::size_t equals = pair.find('=');
      ASSERT_EQ(pair.find('=', equals + 1), std::string::npos);
      const std::string name = decoded(pair.substr(0, equals));
      if (!name.starts_with("X-Amz-")) query.emplace(name, decoded(pair.substr(equals + 1)));
    }
    std::multimap<std::string, std::string> joined;
    for (const Fact& fact : request.facts().all())
      if (fact.name.starts_with("query.")) query_facts.emplace(fact.name.substr(6), fact.value);
    const auto sorted = [](const auto& map) {
      std::vector<std::pair<std::string, std::string>> pairs(map.begin(), map.end());
      std::ranges::sort(pairs);
      return pairs;
    };
    EXPECT_EQ(sorted(query), sorted(query_facts));

    std::string names;
    std::size_t line = 3;
    for (; !lines[line].empty(); ++line) {
      const std::size_t colon = lines[line].find(':');
      const std::string name = lines[line].substr(0, colon), value = lines[line].substr(colon + 1);
      if (!names.empty()) {
        EXPECT_LT(names.substr(names.rfind(';') + 1), name);
        names += ";";
      }
      names += name;
      if (name == "host") {
        EXPECT_EQ(Strings{value}, values(request, "host"));
      } else if (name != "x-amz-date" && name != "x-amz-content-sha256") {
        const Strings seen = values(request, "header." + name);
        ASSERT_FALSE(seen.empty()) << name;
        EXPECT_EQ(seen.back(), value);
      }
    }
    EXPECT_EQ(lines[line + 1], names);
    EXPECT_EQ(lines.size(), line + 3);
    for (const Fact& fact : request.facts().all())
      if (fact.name.starts_with("header.")) {
        EXPECT_NE((";" + names + ";").find(";" + fact.name.substr(7) + ";"), std::string::npos);
      }

    // One text to sign never stands for two meanings, options apart: they are closed to policy.
    if (!values(request, "signing_options").empty()) continue;
    std::string meaning;
    for (const char* name : {"service", "method", "host", "path", "bucket", "mode", "expires_in"})
      for (const std::string& value : values(request, name))
        meaning += std::string(name) + "=" + value + "\n";
    const auto [known, is_new] = facts_of_canonical.emplace(bytes.string_to_sign, meaning);
    EXPECT_EQ(known->second, meaning);
  }
  EXPECT_GT(facts_of_canonical.size(), 5000u);
}

TEST(Sigv4Format, MutatedRequestsAreTakenOrRefusedInWords) {
  Random random{std::mt19937_64(7)};
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    json::object body = random_request(random);
    for (const char* name : {"url", "method", "region"}) {
      if (random.below(2)) continue;
      std::string text(body.at(name).as_string());
      const std::size_t at = static_cast<std::size_t>(random.below(static_cast<int>(text.size())));
      if (random.below(2))
        text[at] = static_cast<char>(random.below(128));
      else
        text.resize(at);
      body[name] = text;
    }
    try {
      const auto request = parse(body);
      const Sigv4Bytes bytes = request.bytes("AKID");
      for (const char c : bytes.canonical_request) ASSERT_FALSE(c == '\r' || c == '\0');
      request.reply(bytes, "5161");
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(error.kind(), ErrorKind::invalid_request);
      ASSERT_NE(error.detail().find(": "), std::string::npos);
    }
  }
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace holdfast::format
