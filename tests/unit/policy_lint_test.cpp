// What `holdfast policy lint` warns of.
#include "daemon/policy/lint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/policy_support.h"

namespace holdfast::policy {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const SystemTime kNow = *from_rfc3339("2026-01-05T09:00:00Z");

// "code grant" of each.
Texts warnings(const std::string& text, std::optional<std::vector<std::string>> keys = {}) {
  Texts all;
  for (const Warning& warning : lint({{"h.toml", text}}, keys, kNow)) {
    EXPECT_THAT(lint_codes(), Contains(warning.code));
    all.push_back(warning.code + (warning.grant.empty() ? "" : " " + warning.grant));
  }
  return all;
}

std::string grant(const std::string& name, const std::string& facts, const std::string& more = "",
                  const std::string& caller = "uid = 0") {
  return "[[grant]]\nname = \"" + name + "\"\nkey = \"k\"\ncaller = { " + caller +
         " }\nfacts = { " + facts + " }\n" + more + "\n";
}
// Does the first make the second needless?
bool hides(const std::string& one, const std::string& other) {
  const Texts all = warnings(one + other);
  return std::ranges::find(all, "unreachable b") != all.end();
}
bool hides_facts(const std::string& one, const std::string& other) {
  return hides(grant("a", one), grant("b", other));
}
bool hides_caller(const std::string& one, const std::string& other) {
  return hides(grant("a", "method = \"GET\"", "", one), grant("b", "method = \"GET\"", "", other));
}
bool hides_more(const std::string& one, const std::string& other) {
  return hides(grant("a", "method = \"GET\"", one), grant("b", "method = \"GET\"", other));
}

TEST(Lint, SaysNothingOfAGoodPolicy) {
  EXPECT_THAT(warnings(grant("a", "service = \"s3\"") + grant("b", "service = \"ec2\"")),
              IsEmpty());
}

TEST(Lint, FindsWhatIsNeverReached) {
  for (const auto& [one, other] : std::initializer_list<std::pair<const char*, const char*>>{
           {"method = \"GET\"", "method = \"GET\", path = \"/a\""},
           {"path = \"/a/**\"", "path = \"/a/b/*\""},
           {"path = \"/**\"", "path = [\"/a\", \"/b/{user}\"]"},
           {"path = [\"/a\", \"/{user}/*\"]", "path = \"/{user}/*\""},
           {"host = { cidr = [\"10.0.0.0/8\", \"fd00::/8\"] }", "host = { cidr = \"fd00::/8\" }"},
           {"expires_in = 900", "expires_in = { min = 60, max = 900 }"},
           {"method = { not = \"PUT\" }", "method = { is = \"GET\", not = \"PUT\" }"},
           {"method = \"GET\", encoded_path = true", "method = \"GET\""},
           {"service = \"s3\"", "service = \"s3\", mode = \"query\""},
           {"mode = \"**\"", "mode = \"post\", content_length_max = 5"},
           {"path_prefix = \"/u/**\"", "path_prefix = \"/u/17/\""},
           {"service = \"s3\"",
            "service = \"s3\", region = { is = \"eu-*\", not = \"eu-west-1\" }"},
           {"\"query.*\" = \"**\"", "\"query.*\" = \"a\", method = \"GET\""},
           {"\"query.acl\" = false", "\"query.acl\" = false"},
           {"\"claim.*\" = \"a**\"", "\"claim.*\" = \"ab\""},
           {"\"claim.role\" = \"**\"", "\"claim.role\" = \"r\""},
           {"\"query.*\" = \"**\"", "\"query.*\" = \"a\", \"query.x\" = \"c\""},
           {"\"query.*\" = \"a\"", "\"query.*\" = \"a\", \"query.x\" = false"},
           {"action = [\"unknown\", \"**\"]", "action = [\"unknown\", \"Run\"]"}})
    EXPECT_TRUE(hides_facts(one, other)) << one << " | " << other;
  for (const auto& [one, other] : std::initializer_list<std::pair<const char*, const char*>>{
           {"method = \"GET\"", "path = \"/a\""},
           {"path = \"/a/*\"", "path = \"/a/**\""},
           {"path = \"/a/**\"", "path = \"/b/*\""},
           {"path = \"/{user}/*\"", "path = \"/a/x\""},
           {"path = \"/a/*/**\"", "path = \"/a/*/x\""},
           {"path = \"/a/**\"", "path = { not = \"/b\" }"},
           {"\"query.*\" = \"a\"", "\"query.\" = \"a\""},
           {"method = { not = \"PUT\" }", "method = { not = \"GET\" }"},
           {"path = { is = \"/a\", not = \"/b\" }", "path = \"/a\""},
           {"host = { cidr = \"10.0.0.0/8\" }", "host = { cidr = \"fd00::/8\" }"},
           {"expires_in = { min = 60 }", "expires_in = 900"},
           {"\"query.n\" = \"7\"", "\"query.n\" = { min = 7, max = 7 }"},
           {"method = \"GET\"", "method = \"GET\", encoded_path = true"},
           {"method = \"GET\"", "method = \"GET\", \"claim.role\" = \"r\""},
           {"\"header.*\" = \"a\"", "\"header.x\" = \"a\""},
           {"\"query.*\" = \"a\"", "\"query.*\" = \"a\", \"query.x\" = \"c\""},
           {"\"query.*\" = false", "\"query.*\" = false, \"query.x\" = \"c\""},
           {"\"query.acl\" = false", "\"query.acl\" = \"**\""},
           {"\"query.acl\" = \"**\"", "\"query.acl\" = false"},
           {"encoded_path = false", "encoded_path = true"},
           {"service = \"s3\"", "service = \"s3\", mode = \"post\""},
           {"service = \"s3\"", "service = \"s3\", region = \"eu-*\""},
           {"service = \"s3\"", "service = \"s3\", \"header.*\" = \"a\""},
           {"service = \"ec2\"", "service = \"ec2\", action = [\"unknown\", \"Run\"]"},
           {"service = \"s3\"", "service = \"s3\", mode = { not = \"query\" }"},
           {"service = \"s3\"", "service = \"s3\", \"starts_with.acl\" = \"p\""},
           {"action = \"**\"", "action = [\"unknown\", \"Run\"]"}})
    EXPECT_FALSE(hides_facts(one, other)) << one << " | " << other;
}

// Callers that run /a with one of these digests, each of one hex digit.
std::string run(std::string_view digits) {
  std::string digests;
  for (const char digit : digits) digests += "\"" + std::string(64, digit) + "\", ";
  return "uid = 0, exe = \"/a\", exe_sha256 = [" + digests + "]";
}

TEST(Lint, ComparesCallersTimesAndLimits) {
  for (const auto& [one, other] : std::initializer_list<std::pair<std::string, std::string>>{
           {"uid = [0, 7]", "uid = 7"},
           {"user = \"root\"", "uid = 0, gid = 0"},
           {"uid = { min = 0, max = 9 }", "uid = [3, 4]"},
           {"gid = [1, 2]", "gid = 2"},
           {"unit = \"*.service\"", "unit = \"a.service\""},
           {"uid = 0", "uid = 0, unit = \"a.service\""},
           {"uid = 0, nested = true", "uid = 0"},
           {"uid = 0, nested = true", "uid = 0, nested = true"},
           {"uid = 0, nested = true", "uid = 0, container = \"a\""},
           {"container = \"a*\"", "uid = 0, container = \"a\", pod = \"b\""},
           {"pod = \"**\"", "uid = 0, container = \"a\", pod = \"b\""},
           {run("abc"), run("b")},
           {"uid = 0", run("a")}})
    EXPECT_TRUE(hides_caller(one, other)) << one << " | " << other;
  for (const auto& [one, other] : std::initializer_list<std::pair<std::string, std::string>>{
           {"uid = 7", "uid = [0, 7]"},
           {"uid = 0, gid = 0", "uid = 0"},
           {"uid = 0, unit = \"a.service\"", "uid = 0"},
           {"uid = 0, user_unit = \"a.service\"", "uid = 0"},
           {"uid = 0, exe = \"/a\"", "uid = 0"},
           {"uid = 0, label = \"a\"", "uid = 0"},
           {"uid = 0, unit = \"a.service\"", "uid = 0, unit = \"b.service\""},
           {"uid = 0, container = \"a\"", "uid = 0"},
           {"uid = 0, pod = \"a\"", "uid = 0"},
           {"uid = 0, security_label = \"a\"", "uid = 0"},
           {"uid = 0", "uid = 0, nested = true"},
           {"uid = 0", "uid = 0, container = \"a\""},
           {"uid = 0", "uid = 0, pod = \"a\""},
           {run("a"), "uid = 0, exe = \"/a\""},
           {run("a"), run("ab")}})
    EXPECT_FALSE(hides_caller(one, other)) << one << " | " << other;
  const std::string sunday = "when = { days = \"sun\" }", monday = "when = { days = \"mon\" }";
  EXPECT_TRUE(hides_more("", sunday));
  EXPECT_TRUE(hides_more(sunday, sunday));
  EXPECT_FALSE(hides_more(sunday, monday));
  EXPECT_FALSE(hides_more(sunday, ""));
  EXPECT_TRUE(hides_more("limits = { max_skew = \"unlimited\", ttl = \"2h\" }", ""));
  EXPECT_FALSE(hides_more("", "limits = { max_skew = \"unlimited\" }"));
  EXPECT_FALSE(hides_more("", "limits = { max_skew = \"10m\" }"));
  EXPECT_FALSE(hides_more("", "limits = { ttl = \"2h\" }"));
  EXPECT_FALSE(hides_more("set = { subject = \"x\" }", ""));
  EXPECT_TRUE(hides_more("", "set = { subject = \"x\" }"));
  EXPECT_FALSE(hides(grant("a", ""),
                     "[[grant]]\nname = \"b\"\nkey = [\"k\", \"j\"]\ncaller = { uid = 0 }\n"));
}

TEST(Lint, FindsWhatIsAllDenied) {
  const std::string all = grant("b", "method = \"GET\", encoded_path = true");
  const auto is_denied = [&](const std::string& rest) {
    const Texts found = warnings(all + deny("no", rest));
    return std::ranges::find(found, "denied b") != found.end();
  };
  EXPECT_TRUE(is_denied(""));
  EXPECT_TRUE(is_denied("facts = { method = { is = [\"GET\", \"PUT\"] } }"));
  EXPECT_FALSE(is_denied("facts = { method = \"PUT\" }"));
  EXPECT_FALSE(is_denied("facts = { encoded_path = true }"));
  EXPECT_FALSE(is_denied("facts = { \"query.*\" = \"**\" }"));
  EXPECT_FALSE(is_denied("caller = { uid = 7 }"));
  EXPECT_FALSE(is_denied("when = { days = \"sun\" }"));
  EXPECT_THAT(
      warnings(grant("b", "\"query.*\" = \"a\"") + deny("no", "facts = { \"query.*\" = \"a\" }")),
      Not(Contains("denied b")))
      << "a request without any query is allowed";
  EXPECT_THAT(warnings(grant("b", "action = [\"unknown\", \"a\"]") +
                       deny("no", "facts = { action = [\"unknown\", \"a\"] }")),
              Not(Contains("denied b")));
}

TEST(Lint, FindsWhatIsTooWide) {
  EXPECT_THAT(warnings("[[grant]]\nname = \"a\"\nkey = \"**\"\ncaller = { uid = 0 }\nlimits = { "
                       "max_skew = \"unlimited\" }\n"),
              ElementsAre("wide-key a", "wide-facts a", "wide-skew a"));
  EXPECT_THAT(warnings(grant("a", "\"header.*\" = \"**\"")), ElementsAre("wide-facts a"));
  EXPECT_THAT(warnings(grant("a", "\"claim.*\" = [\"a\", \"*\"]")), ElementsAre("wide-facts a"));
  EXPECT_THAT(warnings(grant("a", "\"query.*\" = \"**\"")), IsEmpty());
  EXPECT_THAT(warnings(grant("a", "mode = \"post\", \"field.*\" = \"**\"")), IsEmpty());
  EXPECT_THAT(warnings(grant("a", "\"header.*\" = \"a*\"")), IsEmpty());
  for (const char* wide : {"unit = \"*\"", "label = \"**\"", "unit = [\"a.service\", \"**\"]"})
    EXPECT_THAT(warnings(grant("a", "method = \"GET\"", "", wide)), ElementsAre("wide-caller a"))
        << wide;
  for (const char* narrow : {"unit = \"a.service\"", "label = \"l\"", "uid = 0, unit = \"*\"",
                             "group = \"root\"", "unit = \"*\", label = \"l\""})
    EXPECT_THAT(warnings(grant("a", "method = \"GET\"", "", narrow)), IsEmpty()) << narrow;
}

TEST(Lint, FindsWhatIsOverAndWhoIsNotThere) {
  EXPECT_THAT(
      warnings(grant("a", "method = \"GET\"", "when = { before = \"2026-01-05T09:00:00Z\" }")),
      ElementsAre("expired a"));
  EXPECT_THAT(
      warnings(grant("a", "method = \"GET\"", "when = { before = \"2026-01-05T09:00:01Z\" }")),
      IsEmpty());
  EXPECT_THAT(warnings(grant("a", "method = \"GET\"", "when = { days = \"mon\" }")), IsEmpty());
  EXPECT_THAT(warnings(grant("a", "method = \"GET\"", "", "uid = 4001001")),
              ElementsAre("unknown-user a"));
  EXPECT_THAT(
      warnings(grant("a", "method = \"GET\"", "", "uid = { min = 4001001, max = 4001002 }")),
      IsEmpty());
}

TEST(Lint, ComparesWithTheKeysThereAre) {
  const std::string text =
      grant("a", "method = \"GET\"") +
      "[[grant]]\nname = \"b\"\nkey = [\"x-*\", \"{user}{uid}-jwt\", \"a-{user}\"]\ncaller = { "
      "uid = 0 }\nfacts = { algorithm = \"ES256\" }\n" +
      "[[grant]]\nname = \"c\"\neffect = \"deny\"\nkey = \"z\"\n";
  EXPECT_THAT(warnings(text, Texts{"k", "x-1", "root-jwt", "a-root", "z"}),
              ElementsAre("unused-key"))
      << "a deny gives nobody a key";
  EXPECT_THAT(warnings(text, Texts{"x-1"}), ElementsAre("no-key a", "no-key c"));
  EXPECT_THAT(warnings(text), IsEmpty());
}

TEST(Lint, RefusesWhatDoesNotLoad) {
  EXPECT_THROW(warnings("[[grant]]\nname = \"a\"\n"), Error);
}

TEST(Lint, NamesTheOtherGrant) {
  const auto all =
      lint({{"h.toml", grant("a", "method = \"GET\"") + grant("b", "method = \"GET\"")}}, {}, kNow);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].text, HasSubstr("\"a\" (h.toml:1) comes before it"));
  EXPECT_EQ(all[0].where, "h.toml:7");
}

}  // namespace
}  // namespace holdfast::policy
