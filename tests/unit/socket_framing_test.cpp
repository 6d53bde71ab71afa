// Threat row 18: nothing that two parsers could read differently is taken. Each case goes to a real
// server over a real socket.
#include <random>

#include "tests/unit/socket_support.h"

namespace holdfast::socket {
namespace {

struct Case {
  std::string name;
  std::string bytes;
  unsigned status;
  std::string code;
};

std::string get(std::string_view target, std::string_view fields = "Host: h\r\n") {
  return "GET " + std::string(target) + " HTTP/1.1\r\n" + std::string(fields) + "\r\n";
}
std::string post(std::string_view fields, std::string_view body) {
  return "POST /a HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n" + std::string(body);
}
std::string printable(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return "byte " + std::to_string(byte);
}

// The hand-written ones; every one of them is 400 invalid_request.
std::vector<std::pair<std::string, std::string>> malformed() {
  std::vector<std::pair<std::string, std::string>> cases = {
      // request line
      {"empty line first", "\r\n" + kGet},
      {"line feed first", "\n" + kGet},
      {"space first", " " + kGet},
      {"no version", "GET /a\r\nHost: h\r\n\r\n"},
      {"HTTP/0.9", "GET /a HTTP/0.9\r\nHost: h\r\n\r\n"},
      {"HTTP/1.0", "GET /a HTTP/1.0\r\nHost: h\r\n\r\n"},
      {"HTTP/1.2", "GET /a HTTP/1.2\r\nHost: h\r\n\r\n"},
      {"HTTP/2.0", "GET /a HTTP/2.0\r\nHost: h\r\n\r\n"},
      {"HTTP/1.10", "GET /a HTTP/1.10\r\nHost: h\r\n\r\n"},
      {"http/1.1", "GET /a http/1.1\r\nHost: h\r\n\r\n"},
      {"HTTP/01.1", "GET /a HTTP/01.1\r\nHost: h\r\n\r\n"},
      {"HTTP/1,1", "GET /a HTTP/1,1\r\nHost: h\r\n\r\n"},
      {"HTTPS/1.1", "GET /a HTTPS/1.1\r\nHost: h\r\n\r\n"},
      {"HTTP /1.1", "GET /a HTTP /1.1\r\nHost: h\r\n\r\n"},
      {"version then space", "GET /a HTTP/1.1 \r\nHost: h\r\n\r\n"},
      {"version then word", "GET /a HTTP/1.1 x\r\nHost: h\r\n\r\n"},
      {"two spaces after method", "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"two spaces after target", "GET /a  HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"tab after method", "GET\t/a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"tab after target", "GET /a\tHTTP/1.1\r\nHost: h\r\n\r\n"},
      {"no method", "/a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"space for a method", " /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"only a word", "GET\r\n\r\n"},
      {"only a version", "HTTP/1.1\r\n\r\n"},
      {"method with colon", "GE:T /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"method with bracket", "GE(T /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"method with slash", "GET/ /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"method with quote", "\"GET\" /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"method with comma", "GET,POST /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"method too long", std::string(33, 'G') + " /a HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"a reply", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
      {"SSH banner", "SSH-2.0-OpenSSH_9.2\r\n\r\n"},
      {"JSON without HTTP", "{\"key\":\"a\"}\r\n\r\n"},
      {"PROXY protocol", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + kGet},
      // target
      {"absolute-form", get("http://h/a")},
      {"absolute-form, https", get("https://h/a")},
      {"absolute-form, upper case", get("HTTP://h/a")},
      {"authority-form", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n"},
      {"asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
      {"relative", get("a")},
      {"relative, dotted", get("./a")},
      {"query alone", get("?a")},
      {"file URL", get("file:///etc/passwd")},
      {"fragment", get("/a#b")},
      {"fragment after query", get("/a?b#c")},
      {"percent at the end", get("/a%")},
      {"percent and one digit", get("/a%4")},
      {"percent and a letter", get("/a%zz")},
      {"percent and one letter", get("/a%4g")},
      {"two percents", get("/a%%41")},
      {"percent u", get("/a%u0041")},
      {"percent in query", get("/a?b=%")},
      {"percent and letters in query", get("/a?b=%g1")},
      {"raw UTF-8", get("/\xC3\xA4")},
      {"raw latin 1", get("/\xE4")},
      {"space in target", get("/a b")},
      {"backslash", get("\\a")},
      // fields
      {"folded by space", get("/a", "Host: h\r\nX-A: b\r\n c\r\n")},
      {"folded by tab", get("/a", "Host: h\r\nX-A: b\r\n\tc\r\n")},
      {"folded first line", get("/a", " Host: h\r\n")},
      {"folded first line by tab", get("/a", "\tHost: h\r\n")},
      {"folded Content-Length", post("Content-Length:\r\n 1\r\n", "x")},
      {"folded to hide", get("/a", "Host: h\r\nX-A:\r\n Transfer-Encoding: chunked\r\n")},
      {"line of spaces", get("/a", "Host: h\r\n   \r\n")},
      {"space before colon", get("/a", "Host : h\r\n")},
      {"tab before colon", get("/a", "Host\t: h\r\n")},
      {"space before colon of a length", post("Content-Length : 1\r\n", "x")},
      {"space in a name", get("/a", "Host: h\r\nX A: b\r\n")},
      {"no name", get("/a", "Host: h\r\n: b\r\n")},
      {"no colon", get("/a", "Host: h\r\nabc\r\n")},
      {"bare LF after request line", "GET /a HTTP/1.1\nHost: h\r\n\r\n"},
      {"bare LF after field", "GET /a HTTP/1.1\r\nHost: h\n\r\n"},
      {"bare LF throughout", "GET /a HTTP/1.1\nHost: h\n\n"},
      {"bare LF at the end", "GET /a HTTP/1.1\r\nHost: h\r\n\n"},
      {"bare LF in a value", get("/a", "Host: h\r\nX-A: b\nX-B: c\r\n")},
      {"bare CR in a value", get("/a", "Host: h\r\nX-A: b\rX-B: c\r\n")},
      {"bare CR after request line", "GET /a HTTP/1.1\rHost: h\r\n\r\n"},
      {"two CRs", "GET /a HTTP/1.1\r\r\nHost: h\r\n\r\n"},
      {"CR CR LF at the end", "GET /a HTTP/1.1\r\nHost: h\r\n\r\r\n"},
      {"NUL in a target", get(std::string_view("/a\0b", 4))},
      {"NUL in a name", get("/a", std::string_view("Host: h\r\nX-\0A: b\r\n", 18))},
      {"NUL in a value", get("/a", std::string_view("Host: h\r\nX-A: \0b\r\n", 18))},
      {"NUL in a method", std::string("G\0T /a HTTP/1.1\r\nHost: h\r\n\r\n", 28)},
      // Host
      {"no Host", get("/a", "")},
      {"no Host but others", get("/a", "Accept: */*\r\n")},
      {"two Hosts", get("/a", "Host: h\r\nHost: i\r\n")},
      {"two equal Hosts", get("/a", "Host: h\r\nHost: h\r\n")},
      {"two Hosts in other case", get("/a", "Host: h\r\nhOST: h\r\n")},
      {"empty Host", get("/a", "Host:\r\n")},
      {"blank Host", get("/a", "Host:   \r\n")},
      {"list of Hosts", get("/a", "Host: h, i\r\n")},
      {"Host with path", get("/a", "Host: h/a\r\n")},
      {"Host with user", get("/a", "Host: u@h\r\n")},
      {"Host with space", get("/a", "Host: h i\r\n")},
      {"Host with query", get("/a", "Host: h?a\r\n")},
      {"Host with backslash", get("/a", "Host: h\\a\r\n")},
      // lengths
      {"two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", "xy")},
      {"two equal lengths", post("Content-Length: 1\r\nContent-Length: 1\r\n", "x")},
      {"two lengths in other case", post("Content-Length: 1\r\ncontent-length: 1\r\n", "x")},
      {"list of lengths", post("Content-Length: 1, 1\r\n", "x")},
      {"list of different lengths", post("Content-Length: 1,2\r\n", "xy")},
      {"plus", post("Content-Length: +1\r\n", "x")},
      {"minus", post("Content-Length: -1\r\n", "x")},
      {"minus zero", post("Content-Length: -0\r\n", "")},
      {"hexadecimal", post("Content-Length: 0x1\r\n", "x")},
      {"hexadecimal letters", post("Content-Length: a\r\n", "0123456789")},
      {"fraction", post("Content-Length: 1.0\r\n", "x")},
      {"exponent", post("Content-Length: 1e1\r\n", "0123456789")},
      {"leading zero", post("Content-Length: 01\r\n", "x")},
      {"only zeros", post("Content-Length: 00\r\n", "")},
      {"inner space", post("Content-Length: 1 0\r\n", "0123456789")},
      {"empty length", post("Content-Length:\r\n", "")},
      {"length of words", post("Content-Length: one\r\n", "x")},
      {"length with unit", post("Content-Length: 1B\r\n", "x")},
      {"length with semicolon", post("Content-Length: 1;\r\n", "x")},
      {"quoted length", post("Content-Length: \"1\"\r\n", "x")},
      {"length with underscores", post("Content-Length: 1_0\r\n", "0123456789")},
      {"2^64", post("Content-Length: 18446744073709551616\r\n", "")},
      {"2^64+1", post("Content-Length: 18446744073709551617\r\n", "x")},
      {"2^63", post("Content-Length: 9223372036854775808\r\n", "")},
      {"eleven digits", post("Content-Length: 10000000000\r\n", "")},
      {"length and chunked",
       post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"chunked and length",
       post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")},
      {"smuggled request",
       post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG" + kGet)},
      // encodings
      {"chunked", post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"chunked, upper case", post("TRANSFER-ENCODING: CHUNKED\r\n", "0\r\n\r\n")},
      {"chunked with extension", post("Transfer-Encoding: chunked\r\n", "1;a=b\r\nx\r\n0\r\n\r\n")},
      {"chunked twice",
       post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
      {"chunked in a list", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
      {"chunked, then identity", post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")},
      {"xchunked", post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")},
      {"xchunked and length", post("Transfer-Encoding: xchunked\r\nContent-Length: 1\r\n", "x")},
      {"identity", post("Transfer-Encoding: identity\r\n", "")},
      {"gzip", post("Transfer-Encoding: gzip\r\nContent-Length: 1\r\n", "x")},
      {"empty encoding", post("Transfer-Encoding:\r\nContent-Length: 1\r\n", "x")},
      {"encoding by tab", post("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n")},
      {"encoding with spaces", post("Transfer-Encoding:   chunked  \r\n", "0\r\n\r\n")},
      {"quoted encoding", post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
      {"encoding on GET", get("/a", "Host: h\r\nTransfer-Encoding: chunked\r\n")},
      {"trailer", post("Trailer: X-A\r\nContent-Length: 1\r\n", "x")},
      // what is not spoken
      {"Expect", post("Expect: 100-continue\r\nContent-Length: 1\r\n", "x")},
      {"another Expect", post("Expect: 200-ok\r\nContent-Length: 1\r\n", "x")},
      {"Upgrade to h2c", get("/a",
                             "Host: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
                             "h2c\r\nHTTP2-Settings: \r\n")},
      {"Upgrade to websocket",
       get("/a", "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")},
      {"Upgrade alone", get("/a", "Host: h\r\nUpgrade: h2c\r\n")},
      {"Connection of a field", get("/a", "Host: h\r\nConnection: Content-Length\r\n")},
      {"Connection close and another", get("/a", "Host: h\r\nConnection: close, Host\r\n")},
      {"empty Connection", get("/a", "Host: h\r\nConnection:\r\n")},
      {"Connection with empty option", get("/a", "Host: h\r\nConnection: close,\r\n")},
      // ended before it was whole
      {"one letter", "G"},
      {"request line alone", "GET /a HTTP/1.1\r\n"},
      {"no empty line", "GET /a HTTP/1.1\r\nHost: h\r\n"},
      {"half of the last line", "GET /a HTTP/1.1\r\nHost: h\r\n\r"},
      {"body missing", post("Content-Length: 1\r\n", "")},
      {"body short", post("Content-Length: 10\r\n", "012345678")},
      {"body of the greatest length, short",
       post("Content-Length: 65536\r\n", std::string(65535, 'x'))},
  };
  for (const char c : std::string_view("\"<>\\^`{|}[]")) {
    cases.emplace_back("path with " + std::string(1, c), get(std::string("/a") + c));
    cases.emplace_back("query with " + std::string(1, c), get(std::string("/a?b=") + c));
  }
  for (const char c : std::string_view("\"(),/;<=>?@[\\]{}")) {
    cases.emplace_back("name with " + std::string(1, c),
                       get("/a", "Host: h\r\nX" + std::string(1, c) + "A: b\r\n"));
  }
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool visible = byte >= 0x20 && byte < 0x7f;
    if (visible || byte == '\r' || byte == '\n') continue;
    if (byte != '\t') {
      cases.emplace_back("value with " + printable(c),
                         get("/a", "Host: h\r\nX-A: b" + std::string(1, c) + "c\r\n"));
    }
    if (byte < 0x20 || byte == 0x7f || byte % 16 == 0) {
      cases.emplace_back("target with " + printable(c), get("/a" + std::string(1, c) + "b"));
      cases.emplace_back("name with " + printable(c),
                         get("/a", "Host: h\r\nX" + std::string(1, c) + "A: b\r\n"));
      cases.emplace_back("method with " + printable(c),
                         "G" + std::string(1, c) + "T /a HTTP/1.1\r\nHost: h\r\n\r\n");
    }
  }
  return cases;
}

std::vector<Case> refused() {
  std::vector<Case> cases;
  for (auto& [name, bytes] : malformed()) cases.push_back({name, bytes, 400, "invalid_request"});
  const std::string big(kMaxHeader, 'x');
  std::string many;
  for (int i = 0; i < 100; ++i) many += "X-" + std::to_string(i) + ": a\r\n";
  cases.push_back({"long target", get("/" + big), 431, "too_large"});
  cases.push_back({"long value", get("/a", "Host: h\r\nX-A: " + big + "\r\n"), 431, "too_large"});
  cases.push_back({"long name", get("/a", "Host: h\r\n" + big + ": a\r\n"), 431, "too_large"});
  cases.push_back({"long method", big + "x", 431, "too_large"});
  cases.push_back({"long method and more", big + big + big, 431, "too_large"});
  cases.push_back({"many fields", get("/a", "Host: h\r\n" + many), 431, "too_large"});
  cases.push_back({"many short fields",
                   get(
                       "/a", "Host: h\r\n" +
                                 [] {
                                   std::string text;
                                   for (int i = 0; i < 3000; ++i) text += "a:\r\n";
                                   return text;
                                 }()),
                   431, "too_large"});
  cases.push_back({"one byte more", post("Content-Length: 65537\r\n", std::string(65537, 'x')), 413,
                   "too_large"});
  cases.push_back({"a megabyte", post("Content-Length: 1000000\r\n", std::string(1000000, 'x')),
                   413, "too_large"});
  cases.push_back({"ten digits", post("Content-Length: 9999999999\r\n", "x"), 413, "too_large"});
  cases.push_back({"2^32", post("Content-Length: 4294967296\r\n", ""), 413, "too_large"});
  cases.push_back({"2^32+1", post("Content-Length: 4294967297\r\n", "x"), 413, "too_large"});
  return cases;
}

TEST(Framing, RefusesEveryMalformedRequestWithItsCode) {
  TestServer server;
  const std::vector<Case> cases = refused();
  EXPECT_GE(cases.size(), 300u);
  for (const Case& c : cases) {
    const UniqueFd fd = server.connect();
    send_all(fd.get(), c.bytes);
    ::shutdown(fd.get(), SHUT_WR);
    Reader reader(fd.get());
    const Reply reply = reader.next();
    EXPECT_EQ(reply.status, c.status) << c.name << ": " << reply.body;
    EXPECT_EQ(reply.code(), c.code) << c.name;
    EXPECT_EQ(reply.field("Connection"), "close") << c.name;
    EXPECT_EQ(reply.field("Content-Type"), "application/problem+json") << c.name;
    EXPECT_EQ(reply.field("X-Request-Id").size(), 32u) << c.name;
    EXPECT_NE(reply.body.find(reply.field("X-Request-Id")), std::string::npos) << c.name;
    EXPECT_TRUE(reader.at_end()) << c.name << ": another reply to the same bytes";
  }
  EXPECT_EQ(ask(server.connect().get(), kGet).status, 200u);
}

TEST(Framing, TakesWhatIsWellFormed) {
  TestServer server;
  for (const std::string& bytes :
       {kGet,
        get("/"),
        get("//"),
        get("/a?"),
        get("/a?b?c/d"),
        get("/a%20b?c=%2F"),
        get("/-._~!$&'()*+,;=:@"),
        get("/a", "host:h\r\n"),
        get("/a", "HOST:   localhost:80\t\r\n"),
        get("/a", "Host: [::1]:80\r\n"),
        get("/a", "Host: h\r\nConnection: keep-alive\r\n"),
        get("/a", "Host: h\r\nX-A:\r\nX-A:\t\r\nX-A: a\tb\r\n"),
        get("/a", "Host: h\r\nContent-Length: 0\r\n"),
        post("", ""),
        post("Content-Length: 0\r\n", ""),
        post("Content-Length: 1\r\n", std::string(1, '\0')),
        post("Content-Length:4\r\n", "\r\n\r\n"),
        post("Content-Length: 65536\r\n", std::string(65536, 'x')),
        post("Content-Type: anything at all\r\n", ""),
        post("Content_Length: 7\r\nX-Transfer-Encoding: chunked\r\n", ""),
        get("/a", "Host: h\r\nX-A: " + std::string(kMaxHeader - 40, 'x') + "\r\n")}) {
    const Reply reply = ask(server.connect().get(), bytes);
    EXPECT_EQ(reply.status, 200u) << bytes.substr(0, 100) << reply.body;
  }
  const Reply reply = ask(server.connect().get(), get("/a%20b?c=%2F"));
  EXPECT_EQ(reply.body, R"({"method":"GET","path":"/a%20b","query":"c=%2F","size":0})");
}

TEST(Framing, TakesTheGreatestHeaderAndNotOneByteMore) {
  TestServer server;
  const std::string frame = get("/a", "Host: h\r\nX-A: \r\n");
  for (const auto& [size, status] :
       {std::pair<std::size_t, unsigned>{kMaxHeader, 200u}, {kMaxHeader + 1, 431u}}) {
    const std::string fields = "Host: h\r\nX-A: " + std::string(size - frame.size(), 'x') + "\r\n";
    EXPECT_EQ(ask(server.connect().get(), get("/a", fields)).status, status) << size;
  }
}

TEST(Framing, RefusesAtTheFirstOffenceWithoutWaitingForTheRest) {
  TestServer server;  // of a request deadline of 5 s
  const auto start = std::chrono::steady_clock::now();
  for (const char* bytes : {"GET /a HTTP/1.1\nHo", "\x16\x03\x01", "\r", "GET /\x01"}) {
    const UniqueFd fd = server.connect();
    EXPECT_EQ(ask(fd.get(), bytes).status, 400u) << bytes;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
}

TEST(Framing, TakesOneByteAtATime) {
  TestServer server;
  const UniqueFd fd = server.connect();
  Reader reader(fd.get());
  for (int turn = 0; turn < 2; ++turn) {
    for (const char c : post("Content-Length: 3\r\n", "abc"))
      ASSERT_TRUE(send_all(fd.get(), std::string_view(&c, 1)));
    const Reply reply = reader.next();
    EXPECT_EQ(reply.status, 200u);
    EXPECT_NE(reply.body.find("\"size\":3"), std::string::npos);
  }
}

TEST(Framing, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  const UniqueFd fd = server.connect();
  std::string bytes;
  for (int i = 0; i < 500; ++i)
    bytes += i % 3 == 0 ? post("Content-Length: 2\r\n", "\r\n") : get("/" + std::to_string(i));
  bytes += get("/last", "Host: h\r\nConnection: close\r\n") + get("/never");
  std::thread sender([&] { send_all(fd.get(), bytes); });
  Reader reader(fd.get());
  for (int i = 0; i < 500; ++i) {
    const Reply reply = reader.next();
    ASSERT_EQ(reply.status, 200u);
    if (i % 3 != 0) {
      ASSERT_NE(reply.body.find("\"/" + std::to_string(i) + "\""), std::string::npos);
    }
  }
  const Reply last = reader.next();
  EXPECT_NE(last.body.find("/last"), std::string::npos);
  EXPECT_EQ(last.field("Connection"), "close");
  EXPECT_TRUE(reader.at_end());
  sender.join();
}

TEST(Framing, AnswersWhatCameBeforeAnOffence) {
  TestServer server;
  const UniqueFd fd = server.connect();
  send_all(fd.get(), kGet + kGet + "GET /a HTTP/1.0\r\nHost: h\r\n\r\n" + kGet);
  Reader reader(fd.get());
  EXPECT_EQ(reader.next().status, 200u);
  EXPECT_EQ(reader.next().status, 200u);
  EXPECT_EQ(reader.next().status, 400u);
  EXPECT_TRUE(reader.at_end());
}

std::string mutated(std::string text, std::mt19937& random) {
  static const std::string kTokens[] = {"\r\n",
                                        "\n",
                                        "\r",
                                        "\r\n\r\n",
                                        " ",
                                        ":",
                                        "Transfer-Encoding: chunked\r\n",
                                        "Content-Length: 5\r\n",
                                        "Host: h\r\n",
                                        "\t",
                                        "%",
                                        "HTTP/1.0",
                                        "\0x"};
  for (unsigned i = 1 + random() % 6; i > 0 && !text.empty(); --i) {
    const std::size_t at = random() % text.size();
    switch (random() % 5) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
        break;
      case 1:
        text[at] = static_cast<char>(random());
        break;
      case 2:
        text.erase(at, 1 + random() % 4);
        break;
      case 3:
        text.insert(at, kTokens[random() % std::size(kTokens)]);
        break;
      default:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
        break;
    }
  }
  return text;
}

TEST(Framing, AnswersMutatedRequestsOnlyWithDocumentedCodes) {
  TestServer server;
  std::mt19937 random(18);
  const std::string seeds[] = {kGet, post("Content-Length: 5\r\nAccept: */*\r\n", "abcde"),
                               post("Content-Length: 3\r\n", "xyz") + kGet,
                               get("/a?b=%20", "Host: h:1\r\nConnection: close\r\n")};
  for (int run = 0; run < 3000; ++run) {
    const std::string bytes = mutated(seeds[random() % std::size(seeds)], random);
    const UniqueFd fd = server.connect();
    send_all(fd.get(), bytes);
    ::shutdown(fd.get(), SHUT_WR);
    Reader reader(fd.get());
    for (;;) {
      const Reply reply = reader.next(bytes.starts_with("HEAD"));
      if (reply.status == 0) break;
      if (reply.status == 200) continue;
      const std::string code = reply.code();
      const bool documented = (reply.status == 400 && code == "invalid_request") ||
                              (reply.status == 413 && code == "too_large") ||
                              (reply.status == 431 && code == "too_large");
      ASSERT_TRUE(documented) << reply.status << reply.body << testing::PrintToString(bytes);
    }
  }
  EXPECT_EQ(ask(server.connect().get(), kGet).status, 200u);
}

TEST(Header, KeepsItsRulesForAHundredThousandMutations) {
  std::mt19937 random(1818);
  const std::string seed = post("Content-Length: 5\r\nAccept: */*\r\nConnection: close\r\n", "");
  for (int run = 0; run < 100'000; ++run) {
    const std::string block = mutated(seed, random);
    std::size_t body = 0;
    try {
      const Request request = parse_header(block, body);
      ASSERT_TRUE(request.path.starts_with('/')) << block;
      ASSERT_LE(body, kMaxBody);
      ASSERT_EQ(block.find('\0'), std::string::npos);
      ASSERT_EQ(block.find("\n "), std::string::npos);
      ASSERT_TRUE(block.substr(0, block.find("\r\n")).ends_with(" HTTP/1.1")) << block;
    } catch (const Error& error) {
      ASSERT_TRUE(error.kind() == ErrorKind::invalid_request ||
                  error.kind() == ErrorKind::too_large);
    }
  }
}

}  // namespace
}  // namespace holdfast::socket
