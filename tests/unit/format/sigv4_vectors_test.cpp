// AWS's own vectors: awslabs/aws-c-auth tests/aws-signing-test-suite/v4, and the examples of the
// Amazon S3 API reference.
#include <gtest/gtest.h>

#include "daemon/base/posix.h"
#include "tests/unit/format/request.h"
#include "tests/unit/format/vectors.h"

namespace holdfast::format {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  return read_file(path.string(), 1 << 20);
}

// A request as the case writes it; a folded header (RFC 7230 §3.2.4) becomes one line.
struct Request {
  std::string method, target, body;
  json::array headers;
};

Request read_request(const std::string& text) {
  Request request;
  const std::size_t blank = text.find("\n\n");
  if (blank != std::string::npos) request.body = text.substr(blank + 2);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < std::min(blank, text.size());) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    if (line.starts_with(' '))
      lines.back() += line;
    else if (!line.empty())
      lines.push_back(line);
    at = end + 1;
  }
  const std::size_t first = lines[0].find(' '), last = lines[0].rfind(' ');
  request.method = lines[0].substr(0, first);
  request.target = lines[0].substr(first + 1, last - first - 1);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    request.headers.push_back(header(lines[i].substr(0, colon), lines[i].substr(colon + 1)));
  }
  return request;
}

json::object intent_of(const Request& request, const json::object& context, const char* mode) {
  json::array names;
  for (const json::value& entry : request.headers) names.push_back(entry.at(0));
  const bool normalize = context.at("normalize").as_bool();
  const bool sign_body = context.at("sign_body").as_bool();
  const bool in_query = mode == std::string_view("query");
  json::object intent{{"key", "vector"},
                      {"region", context.at("region")},
                      {"service", context.at("service")},
                      {"method", request.method},
                      {"url", "https://example.amazonaws.com" + request.target},
                      {"headers", request.headers},
                      {"sign_headers", names},
                      {"time", context.at("timestamp")},
                      {"mode", mode},
                      {"normalize_path", normalize},
                      {"explain", true}};
  if (in_query) intent["expires_in"] = context.at("expiration_in_seconds");
  if (sign_body && !in_query) intent["content_sha256_header"] = true;
  if (sign_body)
    intent["body"] = to_base64(as_bytes(request.body));
  else
    intent["payload_sha256"] = kEmptyHash;
  const json::object& credentials = context.at("credentials").as_object();
  const json::value* omit = context.if_contains("omit_session_token");
  if (credentials.contains("token") && (omit == nullptr || !omit->as_bool()))
    intent["session_token"] = credentials.at("token");
  return intent;
}

void check_case(const fs::path& folder, const char* mode) {
  SCOPED_TRACE(folder.filename().string() + ", " + mode);
  const json::object context = parse_json_object(text_of(folder / "context.json"));
  const json::object& credentials = context.at("credentials").as_object();
  const auto intent =
      parse(intent_of(read_request(text_of(folder / "request.txt")), context, mode));
  const Sigv4Bytes bytes = intent.bytes(std::string(credentials.at("access_key_id").as_string()));
  const auto expected = [&](const char* what) {
    return text_of(folder / (std::string(mode) + "-" + what + ".txt"));
  };
  EXPECT_EQ(bytes.canonical_request, expected("canonical-request"));
  EXPECT_EQ(bytes.string_to_sign, expected("string-to-sign"));
  const std::string signature =
      signature_of(bytes, std::string(credentials.at("secret_access_key").as_string()));
  EXPECT_EQ(signature, expected("signature"));

  const json::object reply = intent.reply(bytes, signature);
  EXPECT_EQ(reply.at("canonical_request").as_string(), bytes.canonical_request);
  EXPECT_EQ(reply.at("string_to_sign").as_string(), bytes.string_to_sign);
  // The case's own signed request holds what we say is to be added.
  const std::string sent = expected("signed-request");
  if (mode == std::string_view("header"))
    for (const json::value& added : reply.at("headers").as_array())
      EXPECT_NE(sent.find(std::string(added.at(0).as_string()) == "X-Amz-Content-Sha256"
                              ? std::string(added.at(1).as_string())
                              : std::string(added.at(0).as_string()) + ":" +
                                    std::string(added.at(1).as_string())),
                std::string::npos)
          << added;
  else
    EXPECT_NE(sent.find("X-Amz-Signature=" + signature), std::string::npos);
}

TEST(Sigv4Vectors, AllCasesAreSignedToTheByteInHeaderMode) {
  const fs::path suite = vectors_folder() / "aws-sigv4-c-auth/tests/aws-signing-test-suite/v4";
  HOLDFAST_NEED_VECTORS(suite);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(suite))
    check_case(entry.path(), "header"), ++cases;
  EXPECT_EQ(cases, 38);
}

TEST(Sigv4Vectors, AllCasesAreSignedToTheByteInQueryMode) {
  const fs::path suite = vectors_folder() / "aws-sigv4-c-auth/tests/aws-signing-test-suite/v4";
  HOLDFAST_NEED_VECTORS(suite);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(suite))
    check_case(entry.path(), "query"), ++cases;
  EXPECT_EQ(cases, 38);
}

// The streaming examples too: what is signed first, the seed, is an ordinary header signature.
TEST(Sigv4Vectors, ExamplesOfTheS3DocumentationAreSignedToTheByte) {
  const fs::path folder = vectors_folder() / "s3-doc-examples";
  HOLDFAST_NEED_VECTORS(folder);
  int cases = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const json::object file = parse_json_object(text_of(entry.path()));
    const json::object& credentials = file.at("credentials").as_object();
    for (const json::value& example : file.at("cases").as_array()) {
      SCOPED_TRACE(example.at("name").as_string());
      const json::object& given = example.at("headers").as_object();
      const bool presigned = example.as_object().contains("presigned");
      std::string query(example.at("canonical_query").as_string());
      if (presigned) query.clear();
      json::array headers, names;
      for (const auto& entry_header : given) {
        if (entry_header.key() == "x-amz-date") continue;
        headers.push_back({entry_header.key(), entry_header.value()});
        names.push_back(json::value(entry_header.key()));
      }
      json::object intent = s3_get({{"region", file.at("region")},
                                    {"method", example.at("method")},
                                    {"url", "https://" + std::string(given.at("host").as_string()) +
                                                std::string(example.at("path").as_string()) +
                                                (query.empty() ? "" : "?" + query)},
                                    {"headers", headers},
                                    {"sign_headers", names},
                                    {"time", "2013-05-24T00:00:00Z"}});
      if (presigned)
        intent["mode"] = "query", intent["expires_in"] = 86400;
      else if (const json::value* body = example.as_object().if_contains("body"))
        intent["body"] = to_base64(as_bytes(body->as_string()));
      else
        intent["payload_sha256"] = example.at("payload_hash");

      const Sigv4Bytes bytes =
          parse(intent).bytes(std::string(credentials.at("access_key_id").as_string()));
      EXPECT_EQ(bytes.canonical_request, example.at("canonical_request").as_string());
      EXPECT_EQ(bytes.string_to_sign, example.at("string_to_sign").as_string());
      EXPECT_EQ(signature_of(bytes, std::string(credentials.at("secret_access_key").as_string())),
                example.at("signature").as_string());
      ++cases;
    }
  }
  EXPECT_EQ(cases, 7);
}

}  // namespace
}  // namespace holdfast::format
