#include "sdk/cli/aws_profile.h"

#include <gtest/gtest.h>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

const Settings kSettings{{"credential_process", "new"}, {"region", "r"}};

TEST(AwsProfile, QuotesWhatAShellAndShlexWouldSplit) {
  EXPECT_EQ(
      quote_command({"/usr/bin/holdfast", "arn:aws:iam::1:role/a-b_c", "a b", "", "it's", "$x"}),
      R"(/usr/bin/holdfast arn:aws:iam::1:role/a-b_c 'a b' '' 'it'"'"'s' '$x')");
  for (const char* bad : {"a\nb", "a#b", "a;b", "\x7F"})
    EXPECT_THROW(quote_command({bad}), Failure) << bad;
}

TEST(AwsProfile, HasAHeadingThatSdksKnow) {
  EXPECT_EQ(profile_section("default", kSettings),
            "[default]\ncredential_process = new\nregion = r\n");
  EXPECT_EQ(profile_section("a.b", {}), "[profile a.b]\n");
  for (const char* bad : {"", "a b", "a]", "a\n", "#a"})
    EXPECT_THROW(profile_section(bad, {}), Failure) << bad;
}

TEST(AwsProfile, IsFoundHoweverItsHeadingIsSpelt) {
  for (const char* heading :
       {"[profile p]", "[ profile\tp ]", "[profile \"p\"]", "[profile 'p'] # x"})
    EXPECT_TRUE(has_profile(heading, "p")) << heading;
  for (const char* heading :
       {"[p]", "[profile pp]", "[profilep]", "#[profile p]", "[sso-session p]"})
    EXPECT_FALSE(has_profile(heading, "p")) << heading;
  EXPECT_TRUE(has_profile("[default]", "default"));
}

TEST(AwsProfile, ChangesItsOwnLinesAlone) {
  EXPECT_EQ(with_profile("", "p", kSettings), profile_section("p", kSettings));
  EXPECT_EQ(with_profile("[a]\nregion=x", "p", kSettings),
            "[a]\nregion=x\n\n" + profile_section("p", kSettings));
  EXPECT_EQ(
      with_profile("[profile p]\n# c\ncredential_process = old\n  more\nOutput=json\nREGION: x\n"
                   "[profile q]\nregion = y\n",
                   "p", kSettings),
      "[profile p]\ncredential_process = new\nregion = r\n# c\nOutput=json\n"
      "[profile q]\nregion = y\n");
}

TEST(AwsProfile, NamesWhatSdksTakeFirst) {
  EXPECT_EQ(outranking("[profile p]\nrole_arn=x\nregion=y\n[profile q]\nsso_session=z\n", "p"),
            std::vector<std::string>{"role_arn"});
}

}  // namespace
}  // namespace holdfast::cli
