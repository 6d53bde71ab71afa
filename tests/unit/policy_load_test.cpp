// What a policy file may say, and what is said of one that may not.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>

#include "daemon/base/error.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string complaint(const std::vector<Source>& sources) {
  try {
    Policy::load(sources);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.detail();
  }
}
std::string complaint(const std::string& text) {
  return complaint(std::vector<Source>{{"h.toml", text}});
}

// A grant, good but for what is appended.
std::string grant(const std::string& rest, const std::string& caller = "{ uid = 1 }") {
  return "[[grant]]\nname = \"g\"\nkey = \"k\"\ncaller = " + caller + "\n" + rest + "\n";
}

TEST(PolicyLoad, TakesTheExampleOfTheProtocol) {
  EXPECT_EQ(complaint(R"(
[daemon]
state_dir = "/var/lib/holdfast"
[audit]
durability = "written"
[[device]]
name = "tpm"
[[grant]]
name = "orders-s3"
key = "orders-aws"
caller = { unit = "orders.service", user = "root" }
facts = { service = "s3", bucket = "orders-*", method = ["GET", "PUT"], path = "/invoices/**" }
limits = { rate = "100/s", burst = 200, max_skew = "5m" }
[[grant]]
name = "orders-api"
key = "orders-jwt"
caller = { unit = "orders.service" }
facts = { audience = "https://api.example.com" }
limits = { ttl = "5m" }
set = { issuer = "https://id.example.com", subject = "{unit}", backdate = "30s" }
)"),
            "");
}

TEST(PolicyLoad, TakesEveryFactAndCallerKey) {
  EXPECT_EQ(
      complaint(grant(
          R"(
limits = { rate = "1/d", burst = 1, max_skew = "unlimited", ttl = "12h" }
set = { issuer = "a", subject = "{user}@{uid}:{gid}/{unit}/{user_unit}/{exe}/{label}/{container}/{pod}/{security_label}", backdate = "500ms", "claim.tenant" = "t" }
[grant.facts]
service = "a"
region = "a"
method = "A"
host = "a"
path = "/a"
bucket = "a"
"query.Prefix" = "a"
"query.*" = false
"header.X-Amz-Acl" = ""
"header.*" = "**"
action = ["a", "unknown"]
payload = "signed"
mode = "header"
expires_in = 900
algorithm = "ES256"
audience = "a"
issuer = "a"
subject = "a"
typ = "a"
"claim.role" = "a"
"claim.*" = "**"
"claim.admin" = false
signing_options = true
encoded_path = false
)",
          R"({ user = ["root"], uid = [0, 1], group = "root", gid = 0, unit = ["a.service", "b@*.service"], user_unit = "c.service", exe = ["/usr/bin/*"], exe_sha256 = ")" +
              std::string(64, '0') +
              R"(", label = "*", container = "*", pod = ["*"], security_label = "*", nested = true })")),
      "");
}

TEST(PolicyLoad, NamesFileLineAndRemedyOfEachFault) {
  const struct {
    std::string text;
    const char* where;
    const char* remedy;
  } faults[] = {
      // The table itself
      {"[[grants]]\n", "h.toml:1: ", "grants is not known here"},
      {"[grant]\nname = \"g\"\n", "h.toml:1: ", "[[grant]]"},
      {"[[grant]]\nkey = \"k\"\n", "h.toml:1: ", "name is missing"},
      {"[[grant]]\nname = \"G\"\n", "h.toml:2: ", "[a-z0-9][a-z0-9._-]{0,62}"},
      {"[[grant]]\nname = 1\n", "h.toml:2: ", "string in quotes"},
      {grant("fact = {}"), "h.toml:5: ",
       "grant \"g\": fact is not known here; known: name, effect, key, caller, facts, when"},
      {grant("") + grant(""), "h.toml:7: ", "also the name of the grant at h.toml:1"},
      // key
      {"[[grant]]\nname = \"g\"\ncaller = { uid = 1 }\n", "h.toml:1: ", "key is missing"},
      {"[[grant]]\nname = \"g\"\nkey = \"K\"\n", "h.toml:3: ", "a key's name is"},
      {"[[grant]]\nname = \"g\"\nkey = \"\"\n", "h.toml:3: ", "empty pattern"},
      {"[[grant]]\nname = \"g\"\nkey = \"a***\"\n", "h.toml:3: ", "two stars"},
      {"[[grant]]\nname = \"g\"\nkey = []\n", "h.toml:3: ", "empty list"},
      {"[[grant]]\nname = \"g\"\nkey = [1]\n", "h.toml:3: ", "or a list of them"},
      // caller
      {"[[grant]]\nname = \"g\"\nkey = \"k\"\n", "h.toml:1: ", "caller is missing: say who"},
      {grant("", "{}"), "h.toml:4: ", "name at least one of user, uid, group"},
      {grant("", "{ label = \"system_u:orders\" }"), "h.toml:4: ", "is security_label"},
      {grant("", "{ label = \"{user}\" }"), "h.toml:4: ", "`holdfast run --label` gives"},
      {grant("", "{ nested = true }"), "h.toml:4: ", "names nobody"},
      {grant("", "{ uid = 1, exe_sha256 = \"" + std::string(64, 'a') + "\" }"),
       "h.toml:4: ", "add exe"},
      {grant("", "{ uid = 1, exe = \"/a\", exe_sha256 = \"" + std::string(64, 'A') + "\" }"),
       "h.toml:4: ", "64 hex digits in lower case"},
      {grant("", "{ uid = 1, exe = \"/a\", exe_sha256 = \"aa\" }"),
       "h.toml:4: ", "as sha256sum shows"},
      {grant("", "\"root\""), "h.toml:4: ", "has to be a table"},
      {grant("", "{ any = true }"), "h.toml:4: ",
       "any is not known here; known: user, uid, group, gid, unit, user_unit, exe, exe_sha256, "
       "label, container, pod, "
       "security_label, nested"},
      {grant("", "{ user = \"no-such-user\" }"), "h.toml:4: ", "not in the user database"},
      {grant("", "{ user = \"0\" }"), "h.toml:4: ", "give a number as uid"},
      {grant("", "{ group = \"no-such-group\" }"), "h.toml:4: ", "not in the group database"},
      {grant("", "{ uid = \"1\" }"), "h.toml:4: ", "without quotes"},
      {grant("", "{ uid = -1 }"), "h.toml:4: ", "from 0 to 4294967294"},
      {grant("", "{ uid = 4294967295 }"), "h.toml:4: ", "from 0 to 4294967294"},
      {grant("", "{ uid = [] }"), "h.toml:4: ", "empty list"},
      {grant("", "{ gid = 1.5 }"), "h.toml:4: ", "integer"},
      {grant("", "{ unit = \"orders\" }"), "h.toml:4: ", "\"orders.service\""},
      {grant("", "{ unit = \"\" }"), "h.toml:4: ", "empty pattern"},
      {grant("", "{ user_unit = \"a.service\" }"), "h.toml:4: ", "add user or uid"},
      {grant("", "{ user_unit = \"a.service\", unit = \"b.service\" }"),
       "h.toml:4: ", "add user or uid"},
      {grant("", "{ exe = \"/bin/a\" }"), "h.toml:4: ", "add user, uid or unit"},
      {grant("", "{ exe = \"/bin/a\", group = \"root\" }"), "h.toml:4: ", "add user, uid or unit"},
      {grant("", "{ exe = \"bin/a\", uid = 1 }"), "h.toml:4: ", "absolute path"},
      // facts
      {grant("facts = { servce = \"s3\" }"), "h.toml:5: ", "servce is not a fact"},
      {grant("facts = { query.x = \"1\" }"), "h.toml:5: ", "has to be in quotes"},
      {grant("facts = { \"claim.\" = \"1\" }"), "h.toml:5: ", "is not a fact"},
      {grant("facts = { ttl = \"5m\" }"), "h.toml:5: ", "limits = { ttl"},
      {grant("facts = { service = 1 }"), "h.toml:5: ", "string in quotes"},
      {grant("facts = { service = true }"), "h.toml:5: ", "string in quotes"},
      {grant("facts = { service = [] }"), "h.toml:5: ", "empty list"},
      {grant("facts = { service = \"\" }"), "h.toml:5: ", "empty pattern"},
      {grant("facts = { path = \"/***\" }"), "h.toml:5: ", "two stars"},
      {grant("facts = { path = \"/" + std::string(1024, 'a') + "\" }"), "h.toml:5: ", "1024 bytes"},
      {grant("facts = { expires_in = \"900\" }"), "h.toml:5: ", "integer"},
      {grant("facts = { expires_in = 0 }"), "h.toml:5: ", "integer from 1"},
      {grant("facts = { signing_options = \"true\" }"), "h.toml:5: ", "without quotes"},
      {grant("facts = { \"header.a\" = true }"), "h.toml:5: ", "\"**\" for any value"},
      {grant("facts = { \"header.A\" = \"1\", \"header.a\" = \"2\" }"),
       "h.toml:5: ", "given twice"},
      {grant("facts = { service = \"a\", service = \"b\" }"), "h.toml:5: ", "not valid TOML"},
      {grant("facts = [\"s3\"]"), "h.toml:5: ", "has to be a table"},
      // limits
      {grant("limits = { rat = \"1/s\" }"),
       "h.toml:5: ", "known: rate, burst, daily, concurrent, per_caller, max_skew, ttl"},
      {grant("limits = { rate = 100 }"), "h.toml:5: ", "string in quotes"},
      {grant("limits = { rate = \"100\" }"), "h.toml:5: ", "/s, /m, /h or /d"},
      {grant("limits = { rate = \"0/s\" }"), "h.toml:5: ", "from 1"},
      {grant("limits = { rate = \"-1/s\" }"), "h.toml:5: ", "from 1"},
      {grant("limits = { rate = \"1.5/s\" }"), "h.toml:5: ", "/s, /m, /h or /d"},
      {grant("limits = { rate = \"1000000001/s\" }"), "h.toml:5: ", "1000000000"},
      {grant("limits = { rate = \"99999999999999999999/s\" }"), "h.toml:5: ", "1000000000"},
      {grant("limits = { rate = \"1/w\" }"), "h.toml:5: ", "/s, /m, /h or /d"},
      {grant("limits = { burst = 5 }"), "h.toml:5: ", "needs a rate"},
      {grant("limits = { rate = \"1/s\", burst = 0 }"), "h.toml:5: ", "integer from 1"},
      {grant("limits = { max_skew = \"forever\" }"), "h.toml:5: ", "a duration is"},
      {grant("limits = { max_skew = 300 }"), "h.toml:5: ", "string in quotes"},
      {grant("limits = { ttl = \"unlimited\" }"), "h.toml:5: ", "a duration is"},
      {grant("limits = { ttl = \"0s\" }"), "h.toml:5: ", "at least \"1s\""},
      // set
      {grant("set = { audience = \"x\" }"), "h.toml:5: ", "there are issuer, subject, backdate"},
      {grant("set = { issuer = 1 }"), "h.toml:5: ", "string in quotes"},
      {grant("set = { issuer = \"\" }"), "h.toml:5: ", "1 to 1024 bytes"},
      {grant("set = { issuer = \"" + std::string(1025, 'i') + "\" }"),
       "h.toml:5: ", "1 to 1024 bytes"},
      {grant("set = { subject = \"{unti}\" }"), "h.toml:5: ", "{user} {uid}"},
      {grant("set = { subject = \"{unit\" }"), "h.toml:5: ", "braces only"},
      {grant("set = { subject = \"unit}\" }"), "h.toml:5: ", "braces only"},
      {grant("set = { subject = \"{}\" }"), "h.toml:5: ", "braces only"},
      {grant("set = { subject = \"{{unit}\" }"), "h.toml:5: ", "braces only"},
      {grant("set = { subject = \"{group}\" }"), "h.toml:5: ", "braces only"},
      {grant("set = { backdate = \"2h\" }"), "h.toml:5: ", "at most \"1h\""},
      {grant("set = { backdate = \"soon\" }"), "h.toml:5: ", "a duration is"},
      {grant("set = { \"claim.\" = \"x\" }"), "h.toml:5: ", "can't be set"},
  };
  for (const auto& fault : faults) {
    EXPECT_THAT(complaint(fault.text), StartsWith(fault.where)) << fault.text;
    EXPECT_THAT(complaint(fault.text), HasSubstr(fault.remedy)) << fault.text;
  }
}

TEST(PolicyLoad, LooksAtEveryFileAndAtNamesAcrossThem) {
  EXPECT_THAT(
      complaint({{"h.toml", grant("")}, {"policy.d/a.toml", "\n" + grant("")}}),
      StartsWith("policy.d/a.toml:3: grant \"g\": name is also the name of the grant at h.toml:1"));
  EXPECT_THAT(complaint({{"h.toml", ""}, {"policy.d/a.toml", "[daemon]\n"}}),
              StartsWith("policy.d/a.toml:1: "));
  EXPECT_THAT(complaint({{"h.toml", ""}, {"policy.d/a.toml", "[[grant]\n"}}),
              StartsWith("policy.d/a.toml:1: this is not valid TOML"));
}

TEST(PolicyLoad, DigestTellsApartWhatDiffers) {
  const auto digest = [](const std::vector<Source>& sources) {
    return Policy::load(sources)->digest();
  };
  EXPECT_EQ(digest({{"a", ""}, {"b", ""}}), digest({{"a", ""}, {"b", ""}}));
  EXPECT_NE(digest({{"a", "# 1"}}), digest({{"a", "# 2"}}));
  EXPECT_NE(digest({{"a", ""}, {"b", ""}}), digest({{"b", ""}, {"a", ""}}));
  EXPECT_NE(digest({{"a", ""}}), digest({{"a", ""}, {"b", ""}}));
  EXPECT_EQ(digest({}), Policy().digest());
  EXPECT_EQ(digest({{"a", ""}}).size(), 64u);
}

}  // namespace
}  // namespace holdfast::policy
