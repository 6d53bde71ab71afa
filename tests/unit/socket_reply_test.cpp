#include <set>

#include "tests/unit/socket_support.h"

#include "daemon/socket/request_id.h"

namespace holdfast::socket {
namespace {

TEST(Problem, HasTheDocumentedStatusOfEachCode) {
  const std::vector<std::pair<ErrorKind, unsigned>> documented = {
      {ErrorKind::invalid_request, 400},
      {ErrorKind::not_permitted, 403},
      {ErrorKind::not_found, 404},
      {ErrorKind::method_not_allowed, 405},
      {ErrorKind::timeout, 408},
      {ErrorKind::conflict, 409},
      {ErrorKind::too_large, 413},
      {ErrorKind::unsupported, 422},
      {ErrorKind::limit_exceeded, 429},
      {ErrorKind::overloaded, 503},
      {ErrorKind::device_unavailable, 503},
      {ErrorKind::key_lost, 503},
      {ErrorKind::audit_unavailable, 503},
      {ErrorKind::clock_untrusted, 503},
      {ErrorKind::internal, 500}};
  EXPECT_EQ(documented.size(), static_cast<std::size_t>(kErrorKinds));
  for (const auto& [kind, status] : documented) {
    EXPECT_EQ(http_status(kind), status);
    const Response response = problem(Error(kind, "why"), "abc");
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.content_type, "application/problem+json");
    const json::object body = parse_json_object(response.body);
    EXPECT_EQ(body.size(), 6u);
    EXPECT_EQ(body.at("code").as_string(), to_string(kind));
    EXPECT_EQ(body.at("type").as_string(), "urn:holdfast:error:" + std::string(to_string(kind)));
    EXPECT_EQ(body.at("status").as_int64(), static_cast<std::int64_t>(status));
    EXPECT_EQ(body.at("detail").as_string(), "why");
    EXPECT_EQ(body.at("request_id").as_string(), "abc");
    EXPECT_FALSE(body.at("title").as_string().empty());
  }
  EXPECT_EQ(problem(Error(ErrorKind::too_large, "h", "header", kHeaderTooLarge), "abc").status,
            431u);
}

TEST(Problem, SaysWhenToAskAgain) {
  using Headers = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(problem(Error(ErrorKind::overloaded, ""), "").headers, (Headers{{"Retry-After", "1"}}));
  EXPECT_EQ(problem(Error(ErrorKind::limit_exceeded, ""), "", 30s).headers,
            (Headers{{"Retry-After", "30"}}));
  EXPECT_EQ(problem(Error(ErrorKind::not_permitted, ""), "").headers, Headers{});
}

TEST(Problem, StaysOneJsonTextWhateverTheDetailHolds) {
  const Response response =
      problem(Error(ErrorKind::invalid_request, "a\"b\r\n\xFF\x1b[2J"), "abc");
  EXPECT_NO_THROW(parse_json_object(response.body));
}

TEST(Reply, WithNoContentHasNeitherLengthNorType) {
  Response response;
  response.status = 204;
  EXPECT_EQ(serialize(response, true),
            "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n\r\n");
}

TEST(Reply, IsOneMessageWithItsLength) {
  Response response;
  response.body = "{}";
  response.headers.emplace_back("X-A", "b");
  EXPECT_EQ(serialize(response, true),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            "2\r\nCache-Control: no-store\r\n"
            "X-A: b\r\n\r\n{}");
  EXPECT_NE(serialize(response, false).find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(Reply, ToHeadHasNoBody) {
  TestServer server;
  const UniqueFd fd = server.connect();
  send_all(fd.get(), "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n" + kGet);
  Reader reader(fd.get());
  EXPECT_NE(reader.next(true).field("Content-Length"), "0");
  EXPECT_NE(reader.next().body.find("GET"), std::string::npos);
}

TEST(Reply, TakesNoSecondHeaderOutOfAValue) {
  Response response;
  response.headers.emplace_back("X-A", "b\r\nX-B: c");
  EXPECT_THROW(serialize(response, true), Error);
}

TEST(RequestId, IsUniqueAndUnguessable) {
  RequestIds ids;
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; ++i) seen.insert(ids.next());
  EXPECT_EQ(seen.size(), 10'000u);
  for (const std::string& id : seen) ASSERT_EQ(id.size(), 32u);
}

TEST(Reply, CarriesTheRequestIdOfItsProblem) {
  TestServer server;
  const UniqueFd fd = server.connect();
  std::set<std::string> ids;
  for (const auto& [path, status] :
       {std::pair<const char*, unsigned>{"/denied", 403}, {"/fail", 500}, {"/a", 200}}) {
    const Reply reply = ask(fd.get(), "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(reply.status, status);
    ids.insert(reply.field("X-Request-Id"));
    if (status != 200) {
      EXPECT_NE(reply.body.find(reply.field("X-Request-Id")), std::string::npos);
    }
    EXPECT_EQ(reply.body.find("canary"), std::string::npos) << "an exception's text is for the log";
  }
  EXPECT_EQ(ids.size(), 3u);
}

}  // namespace
}  // namespace holdfast::socket
