#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/format/s3_post_request.h"

namespace holdfast::format {
namespace {

using ::testing::StartsWith;

std::string refusal_of(const json::object& changes) {
  try {
    parse_form(changes);
    return {};
  } catch (const Error& error) {
    return error.kind() == ErrorKind::invalid_request ? error.detail()
                                                      : "WRONG KIND: " + error.detail();
  }
}

json::array entries(std::size_t count, std::size_t size) {
  json::array list;
  for (std::size_t i = 0; i < count; ++i)
    list.push_back(header("x-amz-meta-" + std::to_string(i), std::string(size, 'v')));
  return list;
}

TEST(S3PostFormat, NeedsEachOfItsFields) {
  for (const char* name : {"key", "region", "bucket", "object", "expires_in"})
    EXPECT_THAT(refusal_of({{name, nullptr}}), StartsWith(std::string(name) + ": ")) << name;
  EXPECT_EQ(refusal_of({{"objekt", "x"}}), "objekt: is not a known field");
}

TEST(S3PostFormat, RefusesValuesOutOfBounds) {
  const std::string long_bucket = '"' + std::string(64, 'b') + '"';
  const std::string long_object = '"' + std::string(1025, 'o') + '"';
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"region", R"("EU")"},
           {"region", R"("")"},
           {"bucket", R"("ab")"},
           {"bucket", R"("-ab")"},
           {"bucket", R"("ab.")"},
           {"bucket", R"("Abc")"},
           {"bucket", R"("a_b")"},
           {"bucket", R"("a/b")"},
           {"bucket", long_bucket},
           {"object", R"("")"},
           {"object", R"("a\nb")"},
           {"object", R"("a\u007f")"},
           {"object", R"("a\u0000b")"},
           {"object", long_object},
           {"expires_in", "0"},
           {"expires_in", "604801"},
           {"expires_in", "1.5"},
           {"content_length_range", "5"},
           {"content_length_range", "[1]"},
           {"content_length_range", "[1,2,3]"},
           {"content_length_range", "[2,1]"},
           {"content_length_range", "[-1,1]"},
           {"content_length_range", "[0,5368709121]"},
           {"content_length_range", "[0,1.0]"},
           {"content_length_range", R"(["0","1"])"},
           {"content_length_range", "[0,18446744073709551615]"},
           {"session_token", R"("")"},
           {"session_token", R"("a b")"},
           {"time", R"("yesterday")"},
           {"url", R"("ftp://orders-in/")"},
           {"url", R"("https://files.example.com/?a=b")"},
           {"url", R"("https://files.example.com/?")"},
           {"url", R"("https://files.example.com/a b")"},
           {"url", R"("https://other.s3.eu-west-1.amazonaws.com/")"},
           {"url", R"("https://s3.eu-west-1.amazonaws.com/other")"},
           {"url", R"("http://127.0.0.1:8080/other")"},
           {"url", R"("http://127.0.0.1:8080/orders%2Din2")"},
           {"explain", "1"}})
    EXPECT_THAT(refusal_of({{name, parse_json(value)}}), StartsWith(std::string(name) + ": "))
        << name << " " << value;
}

TEST(S3PostFormat, TakesAnObjectOrAPrefixWithoutThePlaceOfTheName) {
  EXPECT_EQ(refusal_of({{"object_prefix", "user/"}}), "object_prefix: can't stand beside object");
  for (const char* object : {"user/${filename}", "${FileName}", "a${filename}b"}) {
    EXPECT_THAT(refusal_of({{"object", object}}), StartsWith("object: has ${filename}"));
    EXPECT_THAT(refusal_of({{"object", nullptr}, {"object_prefix", object}}),
                StartsWith("object_prefix: has ${filename}"));
  }
  EXPECT_EQ(refusal_of({{"object", "a$b${other}$(filename)"}}), "");
  EXPECT_EQ(refusal_of({{"object", nullptr}, {"object_prefix", ""}}), "");
}

TEST(S3PostFormat, KeepsTheFieldsThatItWritesItself) {
  for (const char* name :
       {"policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature",
        "x-amz-security-token", "key", "bucket", "file", "content-length-range", "AWSAccessKeyId",
        "Signature", "X-Amz-Date", "KEY", "Policy"})
    for (const char* list : {"fields", "starts_with"})
      EXPECT_EQ(
          refusal_of({{list, {header(name, "v")}}}),
          std::string(list) + ": " + lower(name) + " is not the caller's to write: leave it out");
}

TEST(S3PostFormat, RefusesFieldsThatAreNotPlain) {
  for (const char* list : {"fields", "starts_with"}) {
    std::vector<json::value> wrong{
        parse_json(R"("x")"),
        parse_json(R"({"a":"b"})"),
        parse_json(R"(["a","b"])"),
        parse_json(R"([["a"]])"),
        parse_json(R"([["a",1]])"),
        parse_json(R"([["","b"]])"),
        parse_json(R"([["a b","b"]])"),
        parse_json(R"([["$key","b"]])"),
        parse_json(R"([["a\"","b"]])"),
        parse_json(R"([["\u00e4","b"]])"),
        parse_json(R"([["a","b\r\nc"]])"),
        parse_json(R"([["a","b\tc"]])"),
        parse_json(R"([["a","x${filename}"]])"),
        parse_json(R"([["a","1"],["A","2"]])"),
        parse_json(R"([["acl","private"],["X-Amz-Acl","public-read"]])")};
    wrong.push_back(json::array{header(std::string(129, 'a'), "b")});
    wrong.push_back(json::array{header("a", std::string(4097, 'b'))});
    wrong.push_back(entries(51, 1));
    for (const json::value& value : wrong)
      EXPECT_THAT(refusal_of({{list, value}}), StartsWith(std::string(list) + ": ")) << value;
  }
  EXPECT_EQ(refusal_of({{"fields", {header("Content-Type", "image/png")}},
                        {"starts_with", {header("content-type", "image/")}}}),
            "starts_with: content-type is given twice");
}

TEST(S3PostFormat, RefusesAFormThatS3WouldNotTake) {
  EXPECT_EQ(refusal_of({{"fields", entries(50, 100)}}), "");
  EXPECT_THAT(refusal_of({{"fields", entries(50, 200)}}),
              StartsWith("fields: and the policy document make a form of "));
  EXPECT_EQ(refusal_of({{"session_token", std::string(7000, 't')}}), "");
  EXPECT_THAT(refusal_of({{"session_token", std::string(8192, 't')}, {"fields", entries(1, 500)}}),
              StartsWith("fields: and the policy document"));
  // The largest that is taken.
  const json::object largest{{"fields", entries(50, 150)}, {"explain", true}};
  const S3PostRequest request = parse_form(largest);
  EXPECT_LT(
      json::serialize(request.reply(request.bytes(std::string(128, 'A')), std::string(64, '0')))
          .size(),
      std::size_t{65536});
}

}  // namespace
}  // namespace holdfast::format
