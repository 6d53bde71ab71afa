#include <gtest/gtest.h>

#include "sdk/cli/claims.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

std::string read(const std::vector<std::string>& values,
                 const std::vector<std::string>& texts = {}) {
  return json::serialize(read_claims(values, texts));
}

Failure refusal(const std::vector<std::string>& values,
                const std::vector<std::string>& texts = {}) {
  try {
    read_claims(values, texts);
  } catch (const Failure& failure) {
    return failure;
  }
  return {Exit::done, "taken"};
}

TEST(Claims, AreJsonOrText) {
  EXPECT_EQ(read({"a=\"x=y\"", "b=[1,true,null]", "c={\"d\":18446744073709551615}"}),
            R"({"a":"x=y","b":[1,true,null],"c":{"d":18446744073709551615}})");
  EXPECT_EQ(read({}, {"scope=read \"all\"", "empty="}), R"({"scope":"read \"all\"","empty":""})");
  EXPECT_EQ(read({}), "{}");
}

TEST(Claims, ThatAreNoJsonSayHowToQuote) {
  for (const char* claim : {"scope=read", "scope=", "a={\"b\":1,\"b\":2}", "a=1e400", "a=1 2"}) {
    const Failure failure = refusal({claim});
    EXPECT_EQ(failure.exit(), Exit::usage) << claim;
    EXPECT_NE(failure.advice().find("--claim-text "), std::string::npos) << claim;
  }
  EXPECT_NE(refusal({"scope=read"}).advice().find("--claim scope='\"…\"'"), std::string::npos);
}

TEST(Claims, NeedANameThatIsGivenOnce) {
  for (const char* claim : {"scope", "=1", ""}) {
    EXPECT_EQ(refusal({claim}).exit(), Exit::usage) << claim;
    EXPECT_EQ(refusal({}, {claim}).exit(), Exit::usage) << claim;
  }
  EXPECT_EQ(refusal({"a=1", "a=1"}).exit(), Exit::usage);
  EXPECT_NE(refusal({"a=1"}, {"a=x"}).message().find("twice"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::cli
