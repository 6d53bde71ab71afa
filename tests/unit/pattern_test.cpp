#include "daemon/policy/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>

namespace holdfast::policy {
namespace {

bool match(std::string_view pattern, std::string_view text, PatternKind kind = PatternKind::path) {
  EXPECT_EQ(fault_in_pattern(pattern), "") << pattern;
  return Pattern(pattern, kind).matches(text);
}

TEST(Pattern, WithoutAStarMatchesItselfAlone) {
  EXPECT_TRUE(match("/a", "/a"));
  EXPECT_FALSE(match("/a", "/A"));
  EXPECT_FALSE(match("/a", "/a/"));
  EXPECT_FALSE(match("/a", "/"));
  EXPECT_TRUE(match("", ""));
  EXPECT_FALSE(match("", "x"));
}

TEST(Pattern, OneStarStaysWithinAPathSegment) {
  EXPECT_TRUE(match("/invoices/*", "/invoices/1"));
  EXPECT_TRUE(match("/invoices/*", "/invoices/"));
  EXPECT_FALSE(match("/invoices/*", "/invoices/2026/1"));
  EXPECT_FALSE(match("/invoices/*", "/invoices"));
  EXPECT_TRUE(match("/*/x", "/a/x"));
  EXPECT_FALSE(match("/*/x", "/a/b/x"));
  EXPECT_TRUE(match("/a*c*e", "/abcde"));
  EXPECT_FALSE(match("*", "/"));
}

TEST(Pattern, TwoStarsCrossSegments) {
  EXPECT_TRUE(match("/invoices/**", "/invoices/2026/1"));
  EXPECT_TRUE(match("/invoices/**", "/invoices/"));
  EXPECT_FALSE(match("/invoices/**", "/invoices"));
  EXPECT_FALSE(match("/invoices/**", "/invoice/x"));
  EXPECT_TRUE(match("**", ""));
  EXPECT_TRUE(match("**", "/anything/at all"));
  EXPECT_TRUE(match("/**/x", "/a/b/x"));
  EXPECT_TRUE(match("**/a*b/c", "/q/ab/a/axxb/c"));
  EXPECT_FALSE(match("**/a*b/c", "/q/ab/a/ax/b/c"));
}

TEST(Pattern, OfAHostStopsAtDotsAndIsBlindToCase) {
  const auto host = [](std::string_view p, std::string_view t) {
    return match(p, t, PatternKind::host);
  };
  EXPECT_TRUE(host("*.example.com", "API.Example.COM"));
  EXPECT_TRUE(host("*.EXAMPLE.com", "api.example.com"));
  EXPECT_TRUE(host("Api.example.com", "aPI.example.com"));
  EXPECT_FALSE(host("*.example.com", "a.b.example.com"));
  EXPECT_TRUE(host("**.example.com", "a.b.example.com"));
  EXPECT_FALSE(host("*.example.com", "example.com"));
  EXPECT_FALSE(host("*.example.com", "api.example.com.evil.org"));
  EXPECT_FALSE(host("*.example.com", "evil/api.example.com.org"));
}

TEST(Pattern, OfAUriStopsAtSlashes) {
  EXPECT_TRUE(match("https://*.example.com", "https://a.b.example.com", PatternKind::uri));
  EXPECT_FALSE(match("https://*.example.com", "https://evil.org/.example.com", PatternKind::uri));
  EXPECT_FALSE(match("https://a", "https://A", PatternKind::uri));
}

TEST(Pattern, OfPlainTextHasNoSegments) {
  EXPECT_TRUE(match("a*", "a/b.c", PatternKind::plain));
  EXPECT_TRUE(match("a**", "a/b.c", PatternKind::plain));
  EXPECT_TRUE(match("*.service", "a.b.service", PatternKind::plain));
}

TEST(Pattern, KnowsNoOtherMetacharacter) {
  EXPECT_TRUE(match("/[a-z]?\\", "/[a-z]?\\"));
  EXPECT_FALSE(match("/[a-z]", "/b"));
  EXPECT_FALSE(match("/?", "/b"));
  EXPECT_FALSE(match("/.", "/b"));
  EXPECT_TRUE(match("/\\*", "/\\anything"));
  EXPECT_TRUE(match("/a*", "/a*b"));
}

TEST(Pattern, SeesEveryByte) {
  using namespace std::string_view_literals;
  EXPECT_FALSE(match("/a", "/a\0"sv));
  EXPECT_FALSE(match("/a*b", "/a\0c"sv));
  EXPECT_TRUE(match("/a*b", "/a\0\xFF\nb"sv));
}

TEST(Pattern, HasAFaultWhenTooLongOrWithThreeStars) {
  EXPECT_NE(fault_in_pattern("/***"), "");
  EXPECT_NE(fault_in_pattern(std::string(1025, 'a')), "");
  EXPECT_EQ(fault_in_pattern(std::string(1024, 'a')), "");
}

// What the words of the documentation say, without a thought for speed.
bool by_definition(std::string_view pattern, std::string_view text, char separator) {
  if (pattern.empty()) return text.empty();
  if (pattern.starts_with("*")) {
    const bool across = pattern.starts_with("**");
    const std::string_view rest = pattern.substr(across ? 2 : 1);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (by_definition(rest, text.substr(i), separator)) return true;
      if (i < text.size() && !across && text[i] == separator) return false;
    }
    return false;
  }
  return !text.empty() && text[0] == pattern[0] &&
         by_definition(pattern.substr(1), text.substr(1), separator);
}

TEST(Pattern, AgreesWithItsDefinitionOnRandomText) {
  std::mt19937 random(7);
  const auto draw = [&](std::string_view letters, std::size_t most) {
    std::string text(random() % (most + 1), ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    return text;
  };
  int matched = 0, tried = 0;
  while (tried < 40'000) {
    const std::string pattern = draw("ab/*.*", 9);
    if (!fault_in_pattern(pattern).empty()) continue;
    ++tried;
    const std::string text = draw("ab/.", 9);
    const bool path = by_definition(pattern, text, '/');
    matched += path;
    ASSERT_EQ(Pattern(pattern, PatternKind::path).matches(text), path) << pattern << " " << text;
    ASSERT_EQ(Pattern(pattern, PatternKind::host).matches(text), by_definition(pattern, text, '.'))
        << pattern << " " << text;
    ASSERT_EQ(Pattern(pattern, PatternKind::plain).matches(text),
              by_definition(pattern, text, '\0'))
        << pattern << " " << text;
  }
  EXPECT_GT(matched, 1000);
}

TEST(Pattern, TakesBoundedTimeOnAdversarialText) {
  std::string stars, mixed;
  while (stars.size() < 1000) stars += "a*";
  while (mixed.size() < 1000) mixed += mixed.size() % 3 ? "**a" : "*/a";
  const std::string text(64 * 1024, 'a');
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& pattern : {stars + "b", mixed + "b", std::string("**a*a*a*a**a*b")})
    EXPECT_FALSE(match(pattern, text));
  // 3 × 64 KiB × 1,000 steps at most; backtracking would not end in this universe.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace holdfast::policy
