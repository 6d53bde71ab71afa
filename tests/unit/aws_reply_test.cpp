#include "sdk/aws/reply.h"

#include <gmock/gmock.h>

namespace holdfast::aws {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const SystemTime kNow = *from_rfc3339("2026-01-01T00:00:00Z");

SecretText text(std::string_view plain) {
  return {plain.begin(), plain.end()};
}

std::string xml(std::string_view fields) {
  return "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/"
         "2011-06-15/\"><AssumeRoleResult><Credentials>" +
         std::string(fields) +
         "</Credentials></AssumeRoleResult><ResponseMetadata/></AssumeRoleResponse>";
}

constexpr std::string_view kId = "<AccessKeyId>ASIAX</AccessKeyId>";
constexpr std::string_view kSecret = "<SecretAccessKey>a/b+c=</SecretAccessKey>";
constexpr std::string_view kToken = "<SessionToken>t0k</SessionToken>";
constexpr std::string_view kEnd = "<Expiration>2026-01-01T01:00:00.611Z</Expiration>";

std::string all() {
  return xml(std::string(kId) + std::string(kSecret) + std::string(kToken) + std::string(kEnd));
}

template <class Call>
NoReply fault(Call call) {
  try {
    call();
  } catch (const NoReply& none) {
    return none;
  }
  ADD_FAILURE() << "taken";
  return {"", "", false};
}

NoReply sts_fault(std::string_view body) {
  return fault([&] {
    SecretText copy = text(body);
    parse_sts(copy, "AssumeRole", kNow);
  });
}

TEST(AwsReply, TakesTheCredentialsOfSts) {
  SecretText body = text(all());
  const Credentials got = parse_sts(body, "AssumeRole", kNow);
  EXPECT_EQ(got.access_key_id, "ASIAX");
  EXPECT_EQ(as_text(got.secret_access_key.view()), "a/b+c=");
  EXPECT_EQ(as_text(got.session_token.view()), "t0k");
  EXPECT_EQ(got.expiration, kNow + 1h);
  const SecretText out = to_process_json(got);
  EXPECT_EQ(std::string(out.begin(), out.end()),
            R"({"Version":1,"AccessKeyId":"ASIAX","SecretAccessKey":"a/b+c=",)"
            R"("SessionToken":"t0k","Expiration":"2026-01-01T01:00:00Z"})");
}

TEST(AwsReply, NamesTheFieldOfStsThatIsMissingEmptyOrThereTwice) {
  const std::pair<std::string_view, const char*> fields[] = {{kId, "AccessKeyId"},
                                                             {kSecret, "SecretAccessKey"},
                                                             {kToken, "SessionToken"},
                                                             {kEnd, "Expiration"}};
  for (const auto& [field, name] : fields) {
    for (const std::string& instead :
         {std::string(), "<" + std::string(name) + "/>", std::string(field) + std::string(field)}) {
      std::string body = all();
      body.replace(body.find(field), field.size(), instead);
      const NoReply none = sts_fault(body);
      EXPECT_THAT(none.message, HasSubstr(name)) << instead;
      EXPECT_TRUE(none.again);
    }
  }
}

TEST(AwsReply, RefusesEveryBeginningOfAReply) {
  const std::string whole = all();
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(sts_fault(whole.substr(0, size)).message, HasSubstr("not whole")) << size;
}

TEST(AwsReply, RefusesAnotherActionsReplyValuesThatNeedEscapesAndWhatHasExpired) {
  fault([] {
    SecretText body = text(all());
    parse_sts(body, "GetSessionToken", kNow);
  });
  for (const char* value : {"a b", "a&quot;b", "a\\b", "\xC3\xA9"}) {
    std::string body = all();
    body.replace(body.find("t0k"), 3, value);
    EXPECT_THAT(sts_fault(body).message, HasSubstr("SessionToken")) << value;
  }
  const NoReply expired = fault([] {
    SecretText body = text(all());
    parse_sts(body, "AssumeRole", kNow + 2h);
  });
  EXPECT_FALSE(expired.again);
}

TEST(AwsReply, TakesASessionOfRolesAnywhereAndNamesWhatIsMissing) {
  const std::string whole =
      R"({"credentialSet":[{"credentials":{"accessKeyId":"ASIAX","secretAccessKey":"s",)"
      R"("sessionToken":"t","expiration":"2026-01-01T01:00:00Z"},"roleArn":"arn"}],"subjectArn":"x"})";
  EXPECT_EQ(parse_session(text(whole), kNow).expiration, kNow + 1h);
  for (const char* name : {"credentialSet", "credentials", "accessKeyId", "secretAccessKey",
                           "sessionToken", "expiration"}) {
    std::string body = whole;
    body.replace(body.find('"' + std::string(name) + '"') + 1, 1, "x");
    EXPECT_THAT(fault([&] { parse_session(text(body), kNow); }).message, HasSubstr(name));
  }
  for (std::size_t size = 0; size < whole.size(); ++size)
    fault([&] { parse_session(text(whole.substr(0, size)), kNow); });
}

TEST(AwsReply, DoesNotReadASessionOfAnySize) {
  const std::string huge = R"({"x":")" + std::string(1024 * 1024, 'x') + R"("})";
  EXPECT_THAT(fault([&] { parse_session(text(huge), kNow); }).message, HasSubstr("64 KiB"));
}

HttpReply reply(long status, std::string_view body, std::string error_type = {}) {
  HttpReply out;
  out.status = status;
  out.error_type = std::move(error_type);
  out.body = text(body);
  return out;
}

TEST(AwsRefusal, IsReadFromXmlFromJsonAndFromNothing) {
  const Refusal sts =
      parse_refusal(reply(403,
                          "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                          "<Message>no</Message></Error></ErrorResponse>"));
  EXPECT_EQ(sts.text(), "AccessDenied: no (HTTP status 403)");
  EXPECT_EQ(
      parse_refusal(reply(403, R"({"message":"no"})", "AccessDeniedException:http://x")).text(),
      "AccessDeniedException: no (HTTP status 403)");
  EXPECT_EQ(parse_refusal(reply(400, R"({"__type":"ValidationException"})")).code,
            "ValidationException");
  EXPECT_EQ(parse_refusal(reply(404, "<html>")).text(), "no reason given (HTTP status 404)");
}

TEST(AwsRefusal, PassesOrNotAndKnowsTimes) {
  EXPECT_TRUE((Refusal{500, "", ""}).passing());
  EXPECT_TRUE((Refusal{400, "ThrottlingException", ""}).passing());
  EXPECT_FALSE((Refusal{403, "AccessDenied", ""}).passing());
  EXPECT_TRUE((Refusal{403, "RequestTimeTooSkewed", ""}).of_time());
  EXPECT_TRUE((Refusal{403, "InvalidSignatureException",
                       "Signature expired: 20260101T000000Z is now earlier than 2026"})
                  .of_time());
  EXPECT_FALSE((Refusal{403, "SignatureDoesNotMatch", "The signature we calculated…"}).of_time());
}

TEST(AwsHttp, ReadsTheDateHeader) {
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 2026 00:00:00 GMT"), kNow);
  EXPECT_EQ(parse_http_date("soon"), std::nullopt);
}

}  // namespace
}  // namespace holdfast::aws
