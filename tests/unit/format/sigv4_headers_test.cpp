#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

json::object with(json::array headers, json::array signed_too = {}) {
  return s3_get(
      {{"url", "https://h.example/k"}, {"headers", headers}, {"sign_headers", signed_too}});
}

// The lines between query and signed headers, and those.
std::string header_part(const json::object& body) {
  const std::string text = parse(body).bytes("A").canonical_request;
  std::size_t start = 0;
  for (int i = 0; i < 3; ++i) start = text.find('\n', start) + 1;
  return text.substr(start, text.rfind('\n') - start);
}
const std::string kTail =
    "x-amz-content-sha256:" + kEmptyHash + "\nx-amz-date:20260101T000000Z\n\n";

TEST(Sigv4Headers, RefusesWhatTheSignatureItselfBrings) {
  for (const char* name : {"Authorization", "authorization", "X-Amz-Date", "x-aMZ-dATE",
                           "X-Amz-Security-Token", "x-amz-security-token"})
    for (const char* mode : {"header", "query"}) {
      json::object body = with({header(name, "x")});
      body["mode"] = mode;
      if (mode == std::string_view("query")) body["expires_in"] = 60;
      EXPECT_TRUE(complaint_of(body).starts_with("headers: " + lower(name))) << name;
    }
}

TEST(Sigv4Headers, RefusesControlCharactersInValuesSignedOrNot) {
  for (const std::string& control :
       {std::string("\r"), std::string("\n"), std::string(1, '\0'), std::string("\r\n"),
        std::string("\x01"), std::string("\x0b"), std::string("\x1b"), std::string("\x7f")})
    for (const char* name : {"X-Amz-Meta-A", "Range", "Host", "Accept"})
      for (const std::string& value : {"a" + control + "b", control, control + "a", "a" + control,
                                       "a" + control + "x-amz-acl:public-read"})
        EXPECT_NE(complaint_of(with({header(name, value)})), "") << name;
}

TEST(Sigv4Headers, RefusesNamesThatAreNoTokens) {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a:"), std::string("a;b"),
        std::string("a\n"), std::string("a\nb"), std::string("\xC3\xA4"), std::string("a\0", 2),
        std::string("a,b"), std::string(" a"), std::string("a "), std::string("a/b"),
        std::string("\"a\"")})
    EXPECT_TRUE(complaint_of(with({header(name, "x")})).starts_with("headers: ")) << name;
}

TEST(Sigv4Headers, RefusesAnythingButPairsOfText) {
  for (const json::value& list : std::initializer_list<json::value>{
           "x", 1, json::object{{"Range", "x"}}, json::array{"Range"},
           json::array{json::array{"Range"}}, json::array{json::array{"Range", "x", "y"}},
           json::array{json::array{"Range", 1}}, json::array{json::array{1, "x"}},
           json::array{json::array{}}, json::array{nullptr}})
    EXPECT_TRUE(complaint_of(s3_get({{"headers", list}})).starts_with("headers: ")) << list;
}

TEST(Sigv4Headers, AreBounded) {
  json::array many;
  for (int i = 0; i < 101; ++i) many.push_back(header("a", "x"));
  EXPECT_NE(complaint_of(with(many)), "");
  many.pop_back();
  EXPECT_EQ(complaint_of(with(many)), "");
  EXPECT_NE(complaint_of(with({header(std::string(129, 'a'), "x")})), "");
  EXPECT_NE(complaint_of(with({header("a", std::string(8193, 'x'))})), "");
}

TEST(Sigv4Headers, SignsHostContentTypeRangeAmzAndWhatIsAskedFor) {
  const json::array headers{header("Accept", "*/*"),
                            header("X-AMZ-acl", "private"),
                            header("Content-Type", "text/plain"),
                            header("Range", "bytes=0-9"),
                            header("Date", "now"),
                            header("Content-Length", "3")};
  EXPECT_EQ(
      header_part(with(headers, {"dATE"})),
      "content-type:text/plain\ndate:now\nhost:h.example\nrange:bytes=0-9\nx-amz-acl:private\n" +
          kTail + "content-type;date;host;range;x-amz-acl;x-amz-content-sha256;x-amz-date");
  const auto request = parse(with(headers, {"dATE"}));
  EXPECT_EQ(values(request, "header.accept"), Strings{});
  EXPECT_EQ(values(request, "header.date"), Strings{"now"});
  EXPECT_EQ(values(request, "header.x-amz-acl"), Strings{"private"});
  EXPECT_EQ(values(request, "header.host"), Strings{});
}

TEST(Sigv4Headers, RefusesToSignWhatIsNotThere) {
  EXPECT_TRUE(complaint_of(with({}, {"Date"})).starts_with("sign_headers: "));
  EXPECT_TRUE(complaint_of(with({}, {"x-amz-date"})).starts_with("sign_headers: "));
  EXPECT_TRUE(complaint_of(with({header("Date", "x")}, {"Dat"})).starts_with("sign_headers: "));
  EXPECT_TRUE(
      complaint_of(with({header("Date", "x")}, {"date;host"})).starts_with("sign_headers: "));
  EXPECT_TRUE(complaint_of(s3_get({{"sign_headers", "host"}})).starts_with("sign_headers: "));
  EXPECT_EQ(complaint_of(with({}, {"Host"})), "");
}

TEST(Sigv4Headers, FoldsBlanksAndKeepsEverythingElse) {
  const auto line = [](const char* value) {
    const std::string text = header_part(with({header("X-Amz-A", value)}));
    const std::size_t start = text.find("x-amz-a:");
    return text.substr(start, text.find('\n', start) - start);
  };
  EXPECT_EQ(line(""), "x-amz-a:");
  EXPECT_EQ(line("   "), "x-amz-a:");
  EXPECT_EQ(line("  a  b   c  "), "x-amz-a:a b c");
  EXPECT_EQ(line("\ta\t \tb\t"), "x-amz-a:a b");
  EXPECT_EQ(line("\"a   b\""), "x-amz-a:\"a b\"");
  EXPECT_EQ(line("\xC3\xA4;a:b,c"), "x-amz-a:\xC3\xA4;a:b,c");
  EXPECT_EQ(values(parse(with({header("X-Amz-A", " a \t b ")})), "header.x-amz-a"), Strings{"a b"});
}

// "a" and "b" given apart are signed as "a,b" given at once: policy sees each and the whole.
TEST(Sigv4Headers, ARepeatedHeaderIsAFactForEachValueAndForWhatIsSigned) {
  const auto request =
      parse(with({header("X-Amz-A", "b"), header("x-amz-a", "a"), header("X-Amz-B", "1")}));
  EXPECT_EQ(values(request, "header.x-amz-a"), (Strings{"b", "a", "b,a"}));
  EXPECT_EQ(values(request, "header.x-amz-b"), Strings{"1"});
  EXPECT_NE(request.bytes("A").canonical_request.find("\nx-amz-a:b,a\n"), std::string::npos);
}

TEST(Sigv4Host, IsTheUrlsAsClientsSendIt) {
  const auto host = [](const char* url, json::array headers = {}) {
    const auto request = parse(s3_get({{"url", url}, {"headers", headers}}));
    const std::string text = request.bytes("A").canonical_request;
    const std::size_t start = text.find("\nhost:") + 6;
    return text.substr(start, text.find('\n', start) - start) + " as " +
           values(request, "host").at(0);
  };
  EXPECT_EQ(host("https://h.example/"), "h.example as h.example");
  EXPECT_EQ(host("https://H.Example/"), "H.Example as h.example");
  EXPECT_EQ(host("https://h:8443/"), "h:8443 as h:8443");
  EXPECT_EQ(host("https://h:443/"), "h as h");
  EXPECT_EQ(host("http://h:80/"), "h as h");
  EXPECT_EQ(host("http://h:443/"), "h:443 as h:443");
  EXPECT_EQ(host("http://[::1]:8080/"), "[::1]:8080 as [::1]:8080");
  EXPECT_EQ(host("http://[::1]/"), "[::1] as [::1]");
  EXPECT_EQ(host("https://h/", {header("Host", "h")}), "h as h");
  EXPECT_EQ(host("https://h/", {header("Host", "H:443")}), "H:443 as h:443");
  EXPECT_EQ(host("https://h:443/", {header("host", "h")}), "h as h");
}

TEST(Sigv4Host, RefusesAHostHeaderThatIsNotTheUrls) {
  for (const json::array& headers :
       std::initializer_list<json::array>{{header("Host", "other")},
                                          {header("Host", "")},
                                          {header("Host", "h:80")},
                                          {header("Host", "h, h")},
                                          {header("Host", "h.")},
                                          {header("Host", "h"), header("Host", "h")},
                                          {header("Host", "h"), header("hOST", "other")}})
    EXPECT_TRUE(complaint_of(s3_get({{"url", "https://h/"}, {"headers", headers}}))
                    .starts_with("headers: Host"))
        << json::serialize(headers);
}

TEST(Sigv4Headers, ASecretValueIsShownToPolicyAsItsDigest) {
  for (const std::string name :
       {"x-amz-server-side-encryption-customer-key", "x-amz-s3session-token",
        "x-amz-copy-source-server-side-encryption-customer-key"}) {
    auto request = parse(with({header(name, "canary")}));
    EXPECT_EQ(values(request, "header." + name), Strings{"sha256:" + sha256_hex("canary")});
    request =
        parse(s3_get({{"url", "https://h/?" + name + "=canary"}, {"session_token", "canary"}}));
    for (const Fact& fact : request.facts().all())
      EXPECT_EQ(fact.value.find("canary"), std::string::npos) << fact.name;
  }
}

}  // namespace
}  // namespace holdfast::format
