#include <gtest/gtest.h>

#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

Failure failure_of(const std::string& code, bool admin = false) {
  return Failure::from_problem(
      500, "{\"code\":\"" + code + "\",\"detail\":\"why\",\"request_id\":\"r1\"}", "", admin);
}

TEST(ExitCode, FollowsFromTheErrorsCode) {
  EXPECT_EQ(failure_of("not_permitted").exit(), Exit::refused);
  for (const char* code : {"timeout", "limit_exceeded", "overloaded", "device_unavailable"})
    EXPECT_EQ(failure_of(code).exit(), Exit::later) << code;
  for (const char* code :
       {"invalid_request", "conflict", "key_lost", "audit_unavailable", "internal", "new_one"})
    EXPECT_EQ(failure_of(code).exit(), Exit::failed) << code;
}

TEST(ErrorMessage, SaysWhatToDoForEveryCode) {
  for (int i = 0; i < kErrorKinds; ++i) {
    const Failure failure = failure_of(std::string(to_string(static_cast<ErrorKind>(i))));
    EXPECT_FALSE(failure.advice().empty()) << i;
    EXPECT_NE(failure.message().find("why (request r1)"), std::string::npos) << failure.message();
  }
  EXPECT_NE(failure_of("not_permitted").advice().find("holdfast policy suggest r1"),
            std::string::npos);
  EXPECT_NE(failure_of("not_permitted", true).advice().find("holdfast-admin"), std::string::npos);
}

TEST(ErrorMessage, SendsToWhatWasAskedAbout) {
  const auto advice = [](const std::string& code, std::string_view target) {
    return Failure::from_problem(500, "{\"code\":\"" + code + "\"}", "", true, target).advice();
  };
  EXPECT_EQ(advice("not_found", "/v1/keys/k"), "see what there is: holdfast key list");
  EXPECT_EQ(advice("not_found", "/v1/devices/d/accept"), "see what there is: holdfast health");
  EXPECT_EQ(advice("conflict", "/v1/devices/d/accept"), "look at its state first: holdfast health");
  EXPECT_NE(advice("not_found", "/v1/requests/r1").find("holdfast audit tail"), std::string::npos);
  EXPECT_NE(advice("invalid_request", "/v1/reload").find("nothing was changed"), std::string::npos);
}

TEST(ErrorMessage, SurvivesAReplyThatIsNoProblemDocument) {
  for (const char* body : {"", "x", "[]", "{\"code\":1}"})
    EXPECT_EQ(Failure::from_problem(502, body, "", false).exit(), Exit::failed);
}

TEST(Output, CantMoveACursor) {
  EXPECT_EQ(printable("a\x1b[2J\r\n\x7f"), "a\\x1b[2J\\x0d\\x0a\\x7f");
  EXPECT_EQ(printable("\xC2\x9B"
                      "x\xC3\xA4"),
            "\\x9bx\xC3\xA4");
  EXPECT_EQ(printable("\xFF\xC3\xA4"), "\\xff\\xc3\\xa4");
}

TEST(Table, AlignsByCharacters) {
  Table table({"A", "B"});
  table.add({"\xC3\xA4\xC3\xA4\xC3\xA4", "x"});
  table.add({"", "y"});
  EXPECT_EQ(table.text(), "A    B\n\xC3\xA4\xC3\xA4\xC3\xA4  x\n-    y");
}

}  // namespace
}  // namespace holdfast::cli
