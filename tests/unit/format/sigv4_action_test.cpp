// Row 29 of the threats: what a request does must not hide where the path doesn't show it.
#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

const std::string kHash(64, 'a');

json::object post(const char* service, json::array headers, const json::value& body,
                  const std::string& query = {}) {
  json::object request = s3_get({{"service", service},
                                 {"method", "POST"},
                                 {"url", "https://h.example/" + (query.empty() ? "" : "?" + query)},
                                 {"headers", headers}});
  if (body.is_string()) request["body"] = to_base64(as_bytes(body.as_string()));
  return request;
}

// "-" where there is none.
std::string action(const json::object& body) {
  const Strings found = values(parse(body), "action");
  EXPECT_LE(found.size(), 1u);
  return found.empty() ? "-" : found[0];
}
std::string form(const char* body) {
  return action(post("sts", {}, body));
}
std::string query(const std::string& text) {
  return action(api_get({{"url", "https://h/?" + text}}));
}
std::string unseen(const char* payload, json::array headers = {}) {
  json::object request = post("kms", headers, nullptr);
  request["payload_sha256"] = payload;
  return action(request);
}

TEST(Sigv4Action, IsTheTarget) {
  EXPECT_EQ(action(post("kms", {header("X-Amz-Target", "TrentService.Decrypt")}, "{}")),
            "TrentService.Decrypt");
  EXPECT_EQ(action(post("dynamodb", {header("x-amz-tARGET", " DynamoDB_20120810.GetItem ")}, "{}")),
            "DynamoDB_20120810.GetItem");
}

TEST(Sigv4Action, IsTheQuerysAction) {
  EXPECT_EQ(query("Version=2011-06-15&Action=AssumeRole"), "AssumeRole");
  EXPECT_EQ(query("Action=Assume%52ole"), "AssumeRole");
  EXPECT_EQ(query("%41ction=AssumeRole"), "AssumeRole");
}

TEST(Sigv4Action, IsTheFormsAction) {
  EXPECT_EQ(form("Action=AssumeRole&Version=2011-06-15"), "AssumeRole");
  EXPECT_EQ(form("Version=2011-06-15&Action=AssumeRole"), "AssumeRole");
  EXPECT_EQ(form("%41%63tion=Assume%52ole"), "AssumeRole");
  EXPECT_EQ(form("Action=a+b%2B"), "a b+");
  EXPECT_EQ(form("Name=a;b&Action=X"), "X");
}

TEST(Sigv4Action, IsReadFromTheBodyWhateverItsTypeSays) {
  for (const char* type :
       {"text/plain", "application/octet-stream", "application/x-www-form-urlencoded", "text/json",
        "application/jsonx", "multipart/form-data"})
    EXPECT_EQ(action(post("sts", {header("Content-Type", type)}, "Action=AssumeRole")),
              "AssumeRole")
        << type;
  const json::array twice{header("Content-Type", "application/json"),
                          header("Content-Type", "text/plain")};
  EXPECT_EQ(action(post("sts", twice, "Action=AssumeRole")), "AssumeRole");
}

TEST(Sigv4Action, ASignedJsonTypeSettlesThatTheBodyIsNoForm) {
  for (const char* type :
       {"application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/json",
        "Application/JSON ; charset=utf-8", "application/cbor"}) {
    const json::array headers{header("X-Amz-Target", "S.Put"), header("Content-Type", type)};
    EXPECT_EQ(action(post("sqs", headers, R"({"url":"http://x/?a=1&action=login&Action=Delete"})")),
              "S.Put")
        << type;
    EXPECT_EQ(unseen(kHash.c_str(), headers), "S.Put") << type;
    EXPECT_EQ(unseen(kHash.c_str(), {header("Content-Type", type)}), "-") << type;
  }
}

TEST(Sigv4Action, IsAbsentWhereThereCertainlyIsNone) {
  EXPECT_EQ(query("a=1"), "-");
  EXPECT_EQ(query("ActionName=a&x.Action=b&MyAction=c"), "-");
  EXPECT_EQ(form(""), "-");
  EXPECT_EQ(form("Param1=value1"), "-");
  EXPECT_EQ(form("{\"Action\":\"Delete\"}"), "-");
  EXPECT_EQ(unseen(kEmptyHash.c_str()), "-");
  for (const char* method : {"GET", "HEAD", "DELETE"})
    EXPECT_EQ(action(api_get({{"method", method}})), "-");
  EXPECT_EQ(action(s3_get({{"method", "PUT"}, {"payload_sha256", kHash}})), "-");
}

TEST(Sigv4Action, IsUnknownWhereTheBodyIsNotSeen) {
  for (const char* payload :
       {kHash.c_str(), "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"}) {
    // What signed chunks need.
    const json::array length = header("X-Amz-Decoded-Content-Length", "1");
    const json::array trailer = header("X-Amz-Trailer", "x-amz-checksum-crc32");
    EXPECT_EQ(unseen(payload, {length, trailer}), "unknown");
    EXPECT_EQ(unseen(payload, {length, trailer, header("X-Amz-Target", "S.Get")}), "unknown");
    EXPECT_EQ(unseen(payload, {length, trailer, header("Content-Type", "text/plain")}), "unknown");
    json::object get = api_get({{"payload_sha256", payload},
                                {"headers", {length, trailer}},
                                {"url", "https://h/?Action=Get"}});
    EXPECT_EQ(action(get), "unknown");
  }
}

TEST(Sigv4Action, IsUnknownWhereSourcesDiffer) {
  const json::array target{header("X-Amz-Target", "S.Get")};
  EXPECT_EQ(action(post("sqs", target, "Action=Delete")), "unknown");
  EXPECT_EQ(action(post("sqs", target, "{}", "Action=Delete")), "unknown");
  EXPECT_EQ(action(post("sqs", {}, "Action=Get", "Action=Delete")), "unknown");
  EXPECT_EQ(action(post("sqs", {}, "Action=Get", "Action=Get")), "Get");
  EXPECT_EQ(action(post("sqs", target, "Action=S.Get", "Action=S.Get")), "S.Get");
  EXPECT_EQ(query("Action=Get&X-Amz-Target=S.Get"), "unknown");
  EXPECT_EQ(query("x-amz-target=S.Get"), "unknown");
}

TEST(Sigv4Action, IsUnknownWhereASourceSpeaksTwice) {
  for (const char* text :
       {"Action=Get&Action=Delete", "Action=Get&Action=Get", "Action=Get&action=Delete",
        "ACTION=Get&Action=Get", "Action=Get&%61ction=Get"}) {
    EXPECT_EQ(form(text), "unknown") << text;
    EXPECT_EQ(query(text), "unknown") << text;
  }
  EXPECT_EQ(action(post("kms", {header("X-Amz-Target", "A"), header("X-Amz-Target", "A")}, "{}")),
            "unknown");
}

TEST(Sigv4Action, IsUnknownWhereReadersMightDisagree) {
  for (const char* body :
       {"Action", "Action=", "Action=%", "Action=%zz", "Action=%FF", "Action=a%0A", "Action=a\n",
        "Action%20=Get", "+Action=Get", " Action=Get", "\nAction=Get",
        "\xEF\xBB\xBF"
        "Action=Get",
        "\"Action\"=Get", "%00Action=Get", "a=1;Action=Delete", "Action=Get;b=1",
        "Action=Get;Action=Delete", "[Action]=x"})
    EXPECT_EQ(form(body), "unknown") << body;
  for (const char* text :
       {"Action", "Action=", "Action=%0A", "Action=%00", "Action%20=Get", "%20Action=Get"})
    EXPECT_EQ(query(text), "unknown") << text;
  EXPECT_EQ(action(post("kms", {header("X-Amz-Target", "")}, "{}")), "unknown");
}

TEST(Sigv4Action, InAnotherCaseAloneIsShownAsItIs) {
  EXPECT_EQ(query("action=list"), "list");
  EXPECT_EQ(form("ACTION=Delete"), "Delete");
}

// The requests that row 29 names, against what a grant for another action would see.
TEST(Sigv4Action, KmsDynamoDbStsAndS3CopyShowWhatTheyDo) {
  const json::array json_type{header("Content-Type", "application/x-amz-json-1.1")};
  json::array kms = json_type, dynamodb = json_type;
  kms.push_back(header("X-Amz-Target", "TrentService.ScheduleKeyDeletion"));
  dynamodb.push_back(header("X-Amz-Target", "DynamoDB_20120810.DeleteTable"));
  EXPECT_EQ(action(post("kms", kms, "{}")), "TrentService.ScheduleKeyDeletion");
  EXPECT_EQ(action(post("dynamodb", dynamodb, "{}")), "DynamoDB_20120810.DeleteTable");
  EXPECT_EQ(form("Action=AssumeRole&RoleArn=x&Version=2011-06-15"), "AssumeRole");
  const auto copy = parse(s3_get({{"method", "PUT"},
                                  {"headers", {header("x-amz-copy-source", "/other/secret")}},
                                  {"payload_sha256", kEmptyHash}}));
  EXPECT_EQ(values(copy, "header.x-amz-copy-source"), Strings{"/other/secret"});
}

// S3 takes each of these for the same object.
TEST(Sigv4Action, CopySourceIsShownInEachWayThatItMayBeRead) {
  const auto sources = [](const std::string& value) {
    return values(parse(s3_get({{"method", "PUT"},
                                {"headers", {header("x-amz-copy-source", value)}},
                                {"payload_sha256", kEmptyHash}})),
                  "header.x-amz-copy-source");
  };
  EXPECT_EQ(sources("b/k"), Strings{"/b/k"});
  EXPECT_EQ(sources("/%62/%6B"), (Strings{"/%62/%6B", "/b/k"}));
  EXPECT_EQ(sources("b%2Fk"), (Strings{"/b%2Fk", "/b/k"}));
  EXPECT_EQ(sources("/b/k?versionId=1"), (Strings{"/b/k?versionId=1", "/b/k"}));
  EXPECT_EQ(sources("/b/a+c"), (Strings{"/b/a+c", "/b/a c"}));
  EXPECT_EQ(sources("/b/a+%63"), (Strings{"/b/a+%63", "/b/a+c", "/b/a c"}));
  for (const char* bad : {"/b/%", "/b/%zz", "/b/%FF"}) EXPECT_THROW(sources(bad), Error) << bad;
}

}  // namespace
}  // namespace holdfast::format
