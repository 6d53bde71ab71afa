#include <gtest/gtest.h>

#include "sdk/cli/failure.h"
#include "sdk/cli/url.h"

namespace holdfast::cli {
namespace {

TEST(TypedUrl, IsEncodedWhereItMustBeAndOnlyThere) {
  const std::pair<const char*, const char*> cases[] = {
      {"https://a.example/a b.txt", "https://a.example/a%20b.txt"},
      {"https://a.example/a%20b.txt", "https://a.example/a%20b.txt"},
      {"https://a.example/\xE1\x88\xB4", "https://a.example/%E1%88%B4"},
      {"https://a.example/100%", "https://a.example/100%25"},
      {"https://a.example/%zz%4", "https://a.example/%25zz%254"},
      {"https://a.example/a?x=a b&y=\"<>\\^`{|}[]",
       "https://a.example/a?x=a%20b&y=%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D"},
      {"https://a.example/a//b/../c+d;e=f@g:h,i!$&'()*",
       "https://a.example/a//b/../c+d;e=f@g:h,i!$&'()*"},
      {"http://127.0.0.1:8080/", "http://127.0.0.1:8080/"},
      {"HTTPS://[::1]:443?x", "HTTPS://[::1]:443?x"},
  };
  for (const auto& [typed, wire] : cases) {
    EXPECT_EQ(encode_url(typed), wire);
    EXPECT_EQ(encode_url(encode_url(typed)), wire) << "twice";
  }
}

TEST(TypedUrl, IsRefusedWhereItWouldNotBeSentAsItStands) {
  for (const char* url :
       {"", "a.example/x", "ftp://a.example/", "https:///x", "https://u:p@a.example/",
        "https://a.example/x#y", "https://\xC3\xA4.example/", "https://a example/",
        "https://a.example/\n", "https://a.example/\x7F", "https://a.example\\@b/"})
    EXPECT_THROW(encode_url(url), Failure) << url;
}

TEST(TypedUrl, TakesFurtherQueryAndFileName) {
  EXPECT_EQ(with_query("https://a.example", "x=1"), "https://a.example/?x=1");
  EXPECT_EQ(with_query("https://a.example/b", "x=1 2"), "https://a.example/b?x=1%202");
  EXPECT_EQ(with_query("https://a.example/b?y=1", "x=#"), "https://a.example/b?y=1&x=%23");
  EXPECT_EQ(with_query("https://a.example/b?y=1", ""), "https://a.example/b?y=1");
  EXPECT_EQ(with_file_name("https://a.example/b/", "c d.txt"), "https://a.example/b/c%20d.txt");
  EXPECT_EQ(with_file_name("https://a.example", "c"), "https://a.example/c");
  EXPECT_EQ(with_file_name("https://a.example/b/?v=/", "c"), "https://a.example/b/c?v=/");
  EXPECT_EQ(with_file_name("https://a.example/b", "c"), "https://a.example/b");
}

}  // namespace
}  // namespace holdfast::cli
