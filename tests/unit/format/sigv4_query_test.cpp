// Row 28 of the threats: a header signature must not be good as a presigned URL.
#include <gtest/gtest.h>

#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

constexpr const char* kBase = "https://bucket.s3.eu-west-1.amazonaws.com/k?";

json::object with_query(const std::string& query, bool presigned = false) {
  json::object body = s3_get({{"url", kBase + query}});
  if (presigned) body["mode"] = "query", body["expires_in"] = 60;
  return body;
}

std::string canonical(const std::string& query) {
  const std::string text = parse(with_query(query)).bytes("A").canonical_request;
  const std::size_t start = text.find('\n', text.find('\n') + 1) + 1;
  return text.substr(start, text.find('\n', start) - start);
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}

TEST(Sigv4Query, RefusesEverySpellingOfAnAmzParameter) {
  for (const std::string name :
       {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
        "X-Amz-Signature", "X-Amz-Security-Token"}) {
    Strings spellings{name, lower(name), upper(name)};
    std::string all, lower_hex, alternating;
    for (std::size_t i = 0; i < name.size(); ++i) {
      const std::string hex = to_hex(as_bytes(name.substr(i, 1)));
      all += "%" + upper(hex);
      lower_hex += "%" + hex;
      alternating += i % 2 ? upper(name.substr(i, 1)) : lower(name.substr(i, 1));
      spellings.push_back(name.substr(0, i) + "%" + hex + name.substr(i + 1));
    }
    spellings.insert(spellings.end(), {all, lower_hex, alternating, "%20" + name, name + "%20",
                                       name + "%00", "%09" + name, name + "%0A"});
    for (const std::string& spelling : spellings)
      for (const std::string& query : {spelling + "=1", spelling, spelling + "=",
                                       "a=1&" + spelling + "=1", spelling + "=1&a=1"})
        for (const bool presigned : {false, true})
          EXPECT_TRUE(
              complaint_of(with_query(query, presigned)).starts_with("url: the query holds x-amz-"))
              << query;
  }
}

TEST(Sigv4Query, RefusesThemUnderEveryServiceAndOption) {
  for (const char* service : {"s3", "sts", "execute-api"})
    for (const bool option : {false, true})
      EXPECT_NE(complaint_of(s3_get({{"service", service},
                                     {"normalize_path", option},
                                     {"double_encode", option},
                                     {"url", "https://h/?%58-Amz-Signature=1"}})),
                "");
}

TEST(Sigv4Query, RefusesAPlusBecauseSomeServicesReadASpace) {
  for (const char* query : {"a=b+c", "+X-Amz-Date=1", "X-Amz-Date+=1", "a+b"})
    for (const bool presigned : {false, true})
      EXPECT_NE(complaint_of(with_query(query, presigned)).find("%2B"), std::string::npos) << query;
  EXPECT_EQ(values(parse(with_query("a=b%2Bc")), "query.a"), Strings{"b+c"});
}

TEST(Sigv4Query, KeepsAnAmzNameThatStaysEncodedAfterOneDecoding) {
  const auto request = parse(with_query("X%252DAmz-Date=1"));
  EXPECT_EQ(values(request, "query.X%2DAmz-Date"), Strings{"1"});
  EXPECT_EQ(canonical("X%252DAmz-Date=1"), "X%252DAmz-Date=1");
}

TEST(Sigv4Query, SeparatorsInsideAValueAreSignedEncoded) {
  EXPECT_EQ(canonical("a=1;X-Amz-Signature=2"), "a=1%3BX-Amz-Signature%3D2");
  EXPECT_EQ(canonical("a=1%26X-Amz-Signature%3D2"), "a=1%26X-Amz-Signature%3D2");
}

TEST(Sigv4Query, SpellingsOfOneMeaningAreSignedAlike) {
  EXPECT_EQ(canonical("prefix=a/b"), "prefix=a%2Fb");
  EXPECT_EQ(canonical("prefix=a%2fb"), "prefix=a%2Fb");
  EXPECT_EQ(canonical("%70refix=%61%2Fb"), "prefix=a%2Fb");
  EXPECT_EQ(canonical("lifecycle"), "lifecycle=");
  EXPECT_EQ(canonical("lifecycle="), "lifecycle=");
  EXPECT_EQ(canonical("a=b=c"), "a=b%3Dc");
  EXPECT_EQ(canonical("-._~=-._~"), "-._~=-._~");
}

TEST(Sigv4Query, IsSortedByEncodedNameThenValue) {
  EXPECT_EQ(canonical("b=2&a=2&a=1&B=0&a%20=0&%C3%A4=1"), "%C3%A4=1&B=0&a=1&a=2&a%20=0&b=2");
}

TEST(Sigv4Query, RefusesWhatIsNoQuery) {
  for (const char* query :
       {"&",     "a=1&",        "&a=1",   "a=1&&b=2", "=1",     "a=%", "a=%4", "a=%zz",
        "a=%FF", "a=%C3&b=%A4", "a=\"",   "a=<",      "a=|",    "a=[", "a={",  "a=\\",
        "a=^",   "a=`",         "a=\x01", "a=\n",     "a=\x7f", "a#b"})
    EXPECT_TRUE(complaint_of(with_query(query)).starts_with("url: ")) << query;
}

TEST(Sigv4Query, EveryParameterIsAFactAndEveryValueOfARepeatedOne) {
  const auto request = parse(with_query("prefix=a%2Fb&prefix=c&versionId=%C3%A4&list"));
  EXPECT_EQ(values(request, "query.prefix"), (Strings{"a/b", "c"}));
  EXPECT_EQ(values(request, "query.versionId"), Strings{"\xC3\xA4"});
  EXPECT_EQ(values(request, "query.versionid"), Strings{});
  EXPECT_EQ(values(request, "query.list"), Strings{""});
}

// S3 reads such a parameter of a presigned URL as the header.
TEST(Sigv4Query, AnAmzParameterIsAHeaderFactToo) {
  const auto request = parse(with_query("X-Amz-Copy-Source=%2Fother%2Fkey", true));
  EXPECT_EQ(values(request, "header.x-amz-copy-source"), Strings{"/other/key"});
  EXPECT_EQ(values(request, "query.X-Amz-Copy-Source"), Strings{"/other/key"});
}

}  // namespace
}  // namespace holdfast::format
