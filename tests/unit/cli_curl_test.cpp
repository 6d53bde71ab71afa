#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sdk/cli/curl_request.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

constexpr const char* kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

CurlCommand parse(std::vector<std::string> more) {
  std::vector<std::string> all{"--key", "k", "--region=eu-west-1", "--service", "s3"};
  all.insert(all.end(), more.begin(), more.end());
  return parse_curl(all);
}

CurlRequest plan(std::vector<std::string> more) {
  more.insert(more.end(), {"--", "https://a.example/x"});
  return plan_curl(parse(std::move(more)));
}

using Headers = std::vector<Header>;

std::string temporary_file(const std::string& content) {
  char name[] = "/tmp/holdfast-cli-XXXXXX";
  const int fd = mkstemp(name);
  close(fd);
  std::ofstream(name, std::ios::binary) << content;
  return name;
}

TEST(CurlOptions, AreReadAsCurlReadsThem) {
  const CurlCommand command = parse({"-sSXPUT", "-H", "-odd: x", "-dx=1", "--data-binary", "--key",
                                     "-o", "-", "https://a.example/"});
  EXPECT_EQ(command.key, "k");
  EXPECT_EQ(command.region, "eu-west-1");
  EXPECT_EQ(command.method, "PUT");
  EXPECT_EQ(command.headers, std::vector<std::string>{"-odd: x"});
  ASSERT_EQ(command.data.size(), 2u);
  EXPECT_EQ(command.data[0].text, "x=1");
  EXPECT_EQ(command.data[1].text, "--key");
  EXPECT_EQ(command.passed.size(), 3u);
  EXPECT_EQ(command.url, "https://a.example/");
}

TEST(CurlOptions, ThatAreNotUnderstoodAreNamed) {
  for (const char* option :
       {"-L", "--location", "-u", "-F", "-K", "--config", "-b", "--next", "-Z", "--aws-sigv4",
        "--request-target", "--url-query", "--oauth2-bearer", "-sL", "--proto-redir"}) {
    try {
      parse({option, "https://a.example/"});
      FAIL() << option;
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.exit(), Exit::usage);
      const std::string shown = std::string(option) == "-sL" ? "-L" : option;
      EXPECT_NE(failure.message().find(shown), std::string::npos) << failure.message();
    }
  }
}

TEST(CurlOptions, NeedKeyRegionServiceAndOneUrl) {
  unsetenv("AWS_REGION");
  unsetenv("AWS_DEFAULT_REGION");
  EXPECT_THROW(parse_curl({"--region", "r", "--service", "s", "https://a.example/"}), Failure);
  EXPECT_THROW(parse_curl({"--key", "k", "--service", "s", "https://a.example/"}), Failure);
  EXPECT_THROW(parse({}), Failure);
  EXPECT_THROW(parse({"https://a.example/", "https://b.example/"}), Failure);
  EXPECT_THROW(parse({"-o"}), Failure);
  EXPECT_TRUE(parse_curl({"--help"}).help);
}

TEST(CurlRequest, HasCurlsMethodBodyAndContentType) {
  EXPECT_EQ(plan({}).method, "GET");
  EXPECT_EQ(plan({"-I"}).method, "HEAD");
  EXPECT_EQ(plan({"-X", "DELETE"}).method, "DELETE");

  const CurlRequest form = plan({"-d", "a=1", "--data-raw", "@b", "--data-urlencode", "c=d e&f"});
  EXPECT_EQ(form.method, "POST");
  EXPECT_EQ(form.body, "a=1&@b&c=d%20e%26f");
  EXPECT_EQ(form.headers, (Headers{{"content-type", "application/x-www-form-urlencoded"}}));

  const CurlRequest json_body = plan({"--json", "{\"a\":", "--json", "1}", "-X", "PATCH"});
  EXPECT_EQ(json_body.method, "PATCH");
  EXPECT_EQ(json_body.body, "{\"a\":1}");
  EXPECT_EQ(json_body.headers, (Headers{{"content-type", "application/json"}}));
  EXPECT_EQ(json_body.as_given.back(), "Accept: application/json");

  const CurlRequest own = plan({"-d", "x", "-H", "Content-Type: text/plain"});
  EXPECT_EQ(own.headers, (Headers{{"content-type", "text/plain"}}));
  EXPECT_TRUE(plan({"-d", "x", "-H", "Content-Type:"}).headers.empty());
}

TEST(CurlRequest, ReadsFilesAsCurlDoes) {
  const std::string file = temporary_file(std::string("a\r\nb\0c\n", 7));
  EXPECT_EQ(plan({"-d", "@" + file}).body, "abc");
  EXPECT_EQ(plan({"--data-binary", "@" + file}).body, std::string("a\r\nb\0c\n", 7));
  EXPECT_EQ(plan({"--data-urlencode", "n@" + file}).body, "n=a%0D%0Ab%00c%0A");
  EXPECT_EQ(plan({"-G", "-d", "q=1 2"}).url, "https://a.example/x?q=1%202");
  EXPECT_FALSE(plan({"-G", "-d", "q=1"}).body);

  const CurlCommand upload = parse({"-T", file, "--", "https://a.example/b/"});
  const CurlRequest put = plan_curl(upload);
  EXPECT_EQ(put.method, "PUT");
  EXPECT_EQ(put.url, "https://a.example/b/" + std::filesystem::path(file).filename().string());
  EXPECT_EQ(sign_body(upload, put).at("payload_sha256").as_string(), hash_file(file));
  std::filesystem::remove(file);
}

TEST(CurlRequest, SignsTheHeadersThatAreAlwaysSigned) {
  const CurlRequest request = plan(
      {"-H", "X-Amz-Acl:  private ", "-H", "Accept: */*", "-H", "X-Amz-Tagging;", "-r", "0-9"});
  EXPECT_EQ(request.headers,
            (Headers{{"x-amz-acl", "private"}, {"x-amz-tagging", ""}, {"range", "bytes=0-9"}}));
  EXPECT_EQ(request.as_given.size(), 4u);
  EXPECT_EQ(plan({"-H", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD"}).payload, "UNSIGNED-PAYLOAD");
}

TEST(CurlRequest, RefusesWhatCurlWouldRefuseOrTheSignatureSets) {
  const std::vector<std::vector<std::string>> cases = {{"-T", "/dev/null", "-d", "x"},
                                                       {"-T", "-"},
                                                       {"-I", "-d", "x"},
                                                       {"-T", "/dev/null", "-G"},
                                                       {"-H", "Authorization: x"},
                                                       {"-H", "x-amz-date: y"},
                                                       {"-H", "@file"},
                                                       {"-H", "no colon"},
                                                       {"-H", "a: b\r\nc: d"},
                                                       {"-T", "/dev/null", "-r", "0-1"}};
  for (const auto& words : cases) EXPECT_THROW(plan(words), Failure) << words[1];
}

TEST(CurlRequest, GivesSmallBodiesToTheDaemonAndDigestsOfLargeOnes) {
  const CurlCommand command = parse({"--", "https://a.example/x"});
  EXPECT_EQ(sign_body(command, plan_curl(command)).at("body"), "");
  const auto signed_with = [](std::size_t size) {
    const CurlCommand with_data =
        parse({"--data-raw", std::string(size, 'a'), "--", "https://a.example/x"});
    return sign_body(with_data, plan_curl(with_data));
  };
  EXPECT_TRUE(signed_with(32 * 1024).contains("body"));
  EXPECT_FALSE(signed_with(32 * 1024 + 1).contains("body"));
  EXPECT_EQ(signed_with(32 * 1024 + 1).at("payload_sha256").as_string().size(), 64u);
  EXPECT_LT(json::serialize(signed_with(32 * 1024)).size(), 64u * 1024);
}

TEST(CurlRequest, IsForASetOfRegionsInsteadOfOne) {
  const std::vector<std::string> rest{"--key", "k", "--service", "s3", "--", "https://a.example/x"};
  const auto with = [&](std::vector<std::string> words) {
    words.insert(words.end(), rest.begin(), rest.end());
    const CurlCommand command = parse_curl(words);
    return sign_body(command, plan_curl(command));
  };
  setenv("AWS_REGION", "us-east-1", 1);  // gives way
  const json::object body = with({"--region-set", "eu-west-1,us-*"});
  unsetenv("AWS_REGION");
  EXPECT_EQ(body.at("region_set"), (json::array{"eu-west-1", "us-*"}));
  EXPECT_FALSE(body.contains("region"));
  EXPECT_THROW(with({"--region-set", "*", "--region", "eu-west-1"}), Failure);
}

TEST(CurlConfiguration, QuotesEverythingAndSendsWhatWasSigned) {
  const CurlCommand command =
      parse({"-o", "a \"b\"\\c", "-s", "-d", "x", "--", "https://a.example/[x]"});
  const std::string config =
      curl_config(command, plan_curl(command), {{"Authorization", "AWS4 x\ny"}}, "/dev/fd/9");
  EXPECT_EQ(config,
            "globoff\npath-as-is\noutput = \"a \\\"b\\\"\\\\c\"\nsilent\nurl = "
            "\"https://a.example/%5Bx%5D\"\n"
            "data-binary = \"@/dev/fd/9\"\nrequest = \"POST\"\n"
            "header = \"Content-Type: application/x-www-form-urlencoded\"\n"
            "header = \"Authorization: AWS4 x\\ny\"\n");
  const CurlCommand head = parse({"-X", "HEAD", "--", "https://a.example/"});
  EXPECT_NE(curl_config(head, plan_curl(head), {}, "").find("\nhead\n"), std::string::npos);
}

TEST(FileHash, IsStreamed) {
  EXPECT_EQ(hash_file("/dev/null"), kEmptyHash);
  EXPECT_THROW(hash_file("/nonexistent"), Failure);
}

}  // namespace
}  // namespace holdfast::cli
