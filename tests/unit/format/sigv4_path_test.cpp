// Row 6 of the threats: policy must not see another path than the service routes.
#include <gtest/gtest.h>

#include "daemon/format/sigv4_bucket.h"
#include "tests/unit/format/request.h"

namespace holdfast::format {
namespace {

struct Seen {
  std::string canonical, path;
  bool encoded;
  bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& seen, std::ostream* out) {
  *out << seen.canonical << " as " << seen.path << (seen.encoded ? ", encoded_path" : "");
}

Seen seen(json::object body, const std::string& path) {
  body["url"] = "https://127.0.0.1" + path;
  const auto request = parse(body);
  const std::string text = request.bytes("A").canonical_request;
  const std::size_t start = text.find('\n') + 1;
  const Strings paths = values(request, "path"), encoded = values(request, "encoded_path");
  EXPECT_EQ(paths.size(), 1u);
  EXPECT_TRUE(encoded.empty() || encoded == Strings{"true"});
  return {text.substr(start, text.find('\n', start) - start), paths.at(0), !encoded.empty()};
}
Seen s3(const std::string& path) {
  return seen(s3_get(), path);
}
Seen api(const std::string& path) {
  return seen(api_get(), path);
}

TEST(Sigv4Path, OrdinaryPathsReadNaturally) {
  EXPECT_EQ(s3("/a%20b.txt"), (Seen{"/a%20b.txt", "/a b.txt", false}));
  EXPECT_EQ(api("/a%20b.txt"), (Seen{"/a%2520b.txt", "/a b.txt", false}));
  EXPECT_EQ(s3("/%C3%A4/x"), (Seen{"/%C3%A4/x", "/\xC3\xA4/x", false}));
  EXPECT_EQ(api("/%C3%A4/x"), (Seen{"/%25C3%25A4/x", "/\xC3\xA4/x", false}));
  EXPECT_EQ(s3("/a/b/"), (Seen{"/a/b/", "/a/b/", false}));
  EXPECT_EQ(api("/users/@me:x"), (Seen{"/users/%40me%3Ax", "/users/@me:x", false}));
  for (const auto& see : {s3, api}) {
    EXPECT_EQ(see(""), (Seen{"/", "/", false}));
    EXPECT_EQ(see("/"), (Seen{"/", "/", false}));
    EXPECT_EQ(see("?a=1"), (Seen{"/", "/", false}));
    EXPECT_EQ(see("/...").path, "/...");
    EXPECT_EQ(see("/.a/..b/c.").encoded, false);
  }
}

TEST(Sigv4Path, DoesNotDecodeTwice) {
  EXPECT_EQ(s3("/a%252Fb"), (Seen{"/a%252Fb", "/a%2Fb", false}));
  EXPECT_EQ(api("/a%252Fb"), (Seen{"/a%25252Fb", "/a%2Fb", false}));
  EXPECT_EQ(s3("/%252e%252e/x"), (Seen{"/%252e%252e/x", "/%2e%2e/x", false}));
  EXPECT_EQ(s3("/a%25"), (Seen{"/a%25", "/a%", false}));
}

TEST(Sigv4Path, MarksEncodedSlashBackslashNulAndUnreserved) {
  for (const std::string escape :
       {"%2F", "%2f", "%5C", "%5c", "%00", "%41", "%7a", "%30", "%2E", "%2e", "%2D", "%5F", "%7E"})
    for (const std::string& path :
         {"/" + escape, "/a" + escape + "b", "/a/" + escape + escape + "/b"}) {
      EXPECT_TRUE(s3(path).encoded) << path;
      EXPECT_TRUE(api(path).encoded) << path;
    }
  for (const char* path : {"/%20", "/%25", "/%2B", "/%3A", "/%40", "/%C3%A4", "/%7C", "/%5B"}) {
    EXPECT_FALSE(s3(path).encoded) << path;
    EXPECT_FALSE(api(path).encoded) << path;
  }
}

TEST(Sigv4Path, MarksWhatAServiceMayNormaliseItself) {
  for (const char* path : {"//", "//a", "/a//b", "/a//", "/.", "/./", "/./a", "/a/.", "/a/./b",
                           "/..", "/../a", "/a/..", "/a/../b"}) {
    const Seen found = s3(path);
    EXPECT_EQ(found, (Seen{path, path, true}));
  }
  for (const char* path : {"/%2e%2e/a", "/a/%2E%2E/b", "/.%2e/a", "/%2e/"}) {
    EXPECT_TRUE(s3(path).encoded) << path;
    EXPECT_TRUE(api(path).encoded) << path;
  }
}

TEST(Sigv4Path, IsNormalisedWhereTheServiceDoesThat) {
  for (const auto& [path, routed] :
       std::initializer_list<std::pair<const char*, const char*>>{{"//", "/"},
                                                                  {"//a//b", "/a/b"},
                                                                  {"/a/../b", "/b"},
                                                                  {"/a/./b", "/a/b"},
                                                                  {"/../../a", "/a"},
                                                                  {"/a/b/..", "/a"},
                                                                  {"/a/b/../", "/a/"},
                                                                  {"/a/.", "/a"},
                                                                  {"/a//", "/a/"},
                                                                  {"/..", "/"},
                                                                  {"/a/..", "/"},
                                                                  {"/../", "/"}})
    EXPECT_EQ(api(path), (Seen{routed, routed, false})) << path;
}

TEST(Sigv4Path, MarksAPlusThatS3MayReadAsASpace) {
  EXPECT_EQ(s3("/a+b"), (Seen{"/a+b", "/a+b", true}));
  EXPECT_EQ(s3("/a%2Bb"), (Seen{"/a%2Bb", "/a+b", false}));
  EXPECT_EQ(api("/a+b"), (Seen{"/a%2Bb", "/a+b", false}));
}

TEST(Sigv4Path, EveryServiceOfS3sFamilyEncodesAsS3) {
  for (const char* service : {"s3", "s3express", "s3-object-lambda", "s3-outposts"})
    EXPECT_EQ(seen(s3_get({{"service", service}}), "/a//b%20c"),
              (Seen{"/a//b%20c", "/a//b c", true}));
}

TEST(Sigv4Path, FollowsTheOptionsAndSaysThatTheyWereUsed) {
  EXPECT_EQ(seen(s3_get({{"normalize_path", true}}), "/a/../b"), (Seen{"/b", "/b", false}));
  EXPECT_EQ(seen(s3_get({{"double_encode", true}}), "/a%20b"), (Seen{"/a%2520b", "/a b", false}));
  EXPECT_EQ(seen(api_get({{"normalize_path", false}}), "/a/../b"),
            (Seen{"/a/../b", "/a/../b", true}));
  EXPECT_EQ(seen(api_get({{"double_encode", false}}), "/a%20b"), (Seen{"/a%20b", "/a b", false}));

  const auto options = [](const json::object& body) {
    return values(parse(body), "signing_options");
  };
  EXPECT_EQ(options(s3_get()), Strings{});
  EXPECT_EQ(
      options(s3_get(
          {{"normalize_path", false}, {"double_encode", false}, {"content_sha256_header", true}})),
      Strings{});
  EXPECT_EQ(
      options(api_get(
          {{"normalize_path", true}, {"double_encode", true}, {"content_sha256_header", false}})),
      Strings{});
  EXPECT_EQ(
      options(s3_get({{"mode", "query"}, {"expires_in", 1}, {"content_sha256_header", false}})),
      Strings{});
  for (const char* option : {"normalize_path", "double_encode"}) {
    EXPECT_EQ(options(s3_get({{option, true}})), Strings{"true"}) << option;
    EXPECT_EQ(options(api_get({{option, false}})), Strings{"true"}) << option;
  }
  EXPECT_EQ(options(s3_get({{"content_sha256_header", false}})), Strings{"true"});
  EXPECT_EQ(options(api_get({{"content_sha256_header", true}})), Strings{"true"});
}

TEST(Sigv4Path, RawSpacesAndUtf8AreEncodedOnceAndSaid) {
  for (const char* url :
       {"https://h/a b", "https://h/\xC3\xA4", "https://h/?a=b c", "https://h/?\xC3\xA4"}) {
    EXPECT_EQ(values(parse(s3_get({{"url", url}})), "signing_options"), Strings{"true"}) << url;
    EXPECT_EQ(values(parse(api_get({{"url", url}})), "signing_options"), Strings{"true"}) << url;
  }
  EXPECT_EQ(s3("/a b\xC3\xA4%20c"), (Seen{"/a%20b%C3%A4%20c", "/a b\xC3\xA4 c", false}));
  EXPECT_EQ(api("/a b"), (Seen{"/a%20b", "/a b", false}));
}

TEST(Sigv4Path, RefusesWhatIsNoPath) {
  for (const char* path :
       {"/%",    "/%4",   "/%4g", "/%%41", "/a\"",     "/<",      "/>",        "/\\",   "/^",
        "/`",    "/{",    "/|",   "/}",    "/[",       "/]",      "/\x01",     "/a\nb", "/a\rb",
        "/a\tb", "/\x7f", "/#",   "/%FF",  "/%C3/%A4", "/%C0%AF", "/%ED%A0%80"})
    EXPECT_TRUE(
        complaint_of(s3_get({{"url", std::string("https://h") + path}})).starts_with("url: "))
        << path;
}

TEST(Sigv4Url, RefusesWhatIsNoPlainHttpUrl) {
  for (const char* url : {"",
                          "h",
                          "/",
                          "//h/",
                          "ftp://h/",
                          "HTTPS://h/",
                          "https:h",
                          "https:/h",
                          "https://",
                          "https:///a",
                          "https://?a",
                          "https://user@h/",
                          "https://u:p@h/",
                          "https://h@/",
                          "https://h:/",
                          "https://h:0/",
                          "https://h:080/",
                          "https://h:65536/",
                          "https://h:1x/",
                          "https://h:1:2/",
                          "https://.h/",
                          "https://h./",
                          "https://h..i/",
                          "https://h%2Ei/",
                          "https://h i/",
                          "https://h\\i/",
                          "https://h\n/",
                          "https://\xC3\xA4/",
                          "https://[::1/",
                          "https://[]/",
                          "https://[::g]/",
                          "https://[::1]x/",
                          "https://::1/",
                          "https://[1.2.3.4]/",
                          "https://h,i/",
                          "https://h;i/",
                          " https://h/",
                          "https://h/#f"})
    EXPECT_TRUE(complaint_of(s3_get({{"url", url}})).starts_with("url: ")) << url;
  EXPECT_NE(complaint_of(s3_get({{"url", "https://h/" + std::string(8192, 'a')}})), "");
  EXPECT_NE(complaint_of(s3_get({{"url", "https://" + std::string(254, 'a')}})), "");
}

TEST(Sigv4Bucket, ComesFromAnAwsHostOrElseFromThePath) {
  const std::string path = "/seg/key";
  for (const char* host :
       {"my.bucket.s3.eu-west-1.amazonaws.com", "my.bucket.s3.amazonaws.com",
        "my.bucket.s3-eu-west-1.amazonaws.com", "my.bucket.s3.dualstack.eu-west-1.amazonaws.com",
        "my.bucket.s3-fips.us-gov-west-1.amazonaws.com", "my.bucket.s3.cn-north-1.amazonaws.com.cn",
        "my.bucket.s3-fips.dualstack.us-east-1.amazonaws.com",
        "my.bucket.s3-accelerate.amazonaws.com", "my.bucket.s3-accelerate.dualstack.amazonaws.com",
        "my.bucket.s3.amazonaws.com:8443", "my.bucket.s3express-use1-az4.us-east-1.amazonaws.com",
        "my.bucket.s3.eusc-de-east-1.amazonaws.eu"})
    EXPECT_EQ(bucket_of(host, path), "my.bucket") << host;
  EXPECT_EQ(bucket_of("foo.s3.eu-west-1.s3.amazonaws.com", path), "foo.s3.eu-west-1");
  EXPECT_EQ(bucket_of("s3.s3.amazonaws.com", path), "s3");
  for (const char* host : {"s3.amazonaws.com", "s3.eu-west-1.amazonaws.com",
                           "s3-eu-west-1.amazonaws.com", "s3.dualstack.eu-west-1.amazonaws.com",
                           "127.0.0.1:8080", "[::1]:8080", "localhost", "localhost:8080"}) {
    EXPECT_EQ(bucket_of(host, path), "seg") << host;
    EXPECT_EQ(bucket_of(host, "/seg"), "seg") << host;
    EXPECT_EQ(bucket_of(host, "/"), std::nullopt) << host;
    EXPECT_EQ(bucket_of(host, "//seg/key"), std::nullopt) << host;
  }
}

// S3 takes a foreign Host for a bucket's name: the path's first segment would then be a lie.
TEST(Sigv4Bucket, IsNotGuessedWhereAnotherBucketMightBeMeant) {
  for (const char* host :
       {"victim-bucket", "backups.example.com", "secret.minio.local", "x.localhost",
        "amazonaws.com", "evilamazonaws.com",
        "ap-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
        "ap-123.s3-object-lambda.eu-west-1.amazonaws.com", "x.s3-outposts.eu-west-1.amazonaws.com",
        "bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", "x.accesspoint.s3-global.amazonaws.com",
        "x.s3.amazonaws.com.evil.com", "s3.eu-west-1.example.com", "s3-website.amazonaws.com"})
    EXPECT_EQ(bucket_of(host, "/orders-1/key"), std::nullopt) << host;
}

}  // namespace
}  // namespace holdfast::format
