#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/facts.h"
#include "daemon/base/hardening.h"
#include "daemon/base/json.h"
#include "daemon/base/log.h"
#include "daemon/base/openssl.h"
#include "daemon/base/secret.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(Base64, TakesOnlyTheCanonicalSpelling) {
  for (const char* text : {"", "AA==", "AAA=", "AAAA", "+/+/"}) {
    const auto bytes = from_base64(text);
    ASSERT_TRUE(bytes) << text;
    EXPECT_EQ(to_base64(*bytes), text);
  }
  for (const char* text :
       {"A", "AA", "AAA", "AB==", "AA=", "AA==\n", " AAAA", "A A=", "-_-_", "====", "AA==AA=="})
    EXPECT_FALSE(from_base64(text)) << text;
}

TEST(Hex, RefusesOddLengthAndOtherLetters) {
  EXPECT_EQ(from_hex("00fFaB"), (Bytes{0x00, 0xff, 0xab}));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_EQ(to_hex(Bytes{0x00, 0xff, 0xab}), "00ffab");
}

TEST(Utf8, RefusesOverlongSurrogateAndTruncated) {
  EXPECT_TRUE(is_utf8("a\xC3\xA4\xE1\x88\xB4\xF0\x9F\x98\x80"));
  for (const char* text :
       {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE1\x88", "\x80", "\xFF"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Rfc3339, IsReadStrictlyAndWrittenBack) {
  for (const char* text :
       {"2015-08-30T12:36:00Z", "1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z"}) {
    const auto time = from_rfc3339(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(to_rfc3339(*time), text);
  }
  for (const char* text :
       {"2015-08-30T12:36:00", "2015-08-30t12:36:00Z", "2023-02-29T00:00:00Z",
        "2015-08-30T24:00:00Z", "2015-08-30T12:36:60Z", "2015-08-30T12:36:00+00:00",
        "2015-08-30T12:36:00.5Z", "+015-08-30T12:36:00Z"})
    EXPECT_FALSE(from_rfc3339(text)) << text;
  EXPECT_EQ(to_iso8601_basic(*from_rfc3339("2015-08-30T12:36:00Z")), "20150830T123600Z");
}

TEST(Rfc3339, RefusesAYearThatWouldWrapRound) {
  for (const char* text : {"0000-01-01T00:00:00Z", "1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z",
                           "2610-07-22T00:00:00Z", "9999-12-31T23:59:59Z"})
    EXPECT_FALSE(from_rfc3339(text)) << text;
  for (const char* text : {"1678-01-01T00:00:00Z", "2261-12-31T23:59:59Z"})
    EXPECT_EQ(to_rfc3339(*from_rfc3339(text)), text);
}

TEST(Duration, TakesDigitsAndOneUnit) {
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("12h"), 12h);
  for (const char* text : {"", "5", "m", "5 m", "-5m", "5m5s", "1.5h", "9999999999s"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

std::string complaint_of(std::string_view text) {
  try {
    parse_json(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.detail();
  }
  return "";
}

TEST(Json, RefusesWhatBoostWouldLetPass) {
  EXPECT_NE(complaint_of(R"({"a":1,"a":2})").find("given twice"), std::string::npos);
  EXPECT_NE(complaint_of(R"({"a":1,"\u0061":2})").find("given twice"), std::string::npos);
  EXPECT_NE(complaint_of(R"({"x":{"a":1,"b":{"a":1},"a":2}})").find("given twice"),
            std::string::npos);
  EXPECT_EQ(complaint_of(R"({"a":{"a":1},"b":{"a":1}})"), "");
  for (const char* number : {"[1e400]", "[-1e400]", "[1e-400]"})
    EXPECT_NE(complaint_of(number).find("for a double"), std::string::npos) << number;
  EXPECT_NE(complaint_of("[18446744073709551616]").find("64 bits"), std::string::npos);
  EXPECT_EQ(complaint_of("[18446744073709551615,-9223372036854775808,1.5]"), "");
}

// Boost.JSON's own reading of some of these is one unit in the last place off.
TEST(Json, KeepsADoubleToTheLastBit) {
  for (const char* text :
       {"0.1", "2.2250738585072011e-308", "5e-324", "1.7976931348623157e308", "9007199254740993.0",
        "0.30000000000000004", "123456789.12345678", "6.02214076e23", "3.0e-5", "1e22", "8.41e21",
        "9.2573e-315", "1.1754943508222875e-38"}) {
    const json::value value = parse_json("[" + std::string(text) + "]");
    EXPECT_EQ(value.as_array().at(0).as_double(), std::strtod(text, nullptr)) << text;
    EXPECT_EQ(parse_json(json::serialize(value)), value) << text;
  }
}

TEST(Facts, TellATextFromTheJsonThatItReadsAs) {
  EXPECT_EQ(fact_of_text("acme"), "acme");
  EXPECT_EQ(fact_of_text("42"), "\"42\"");
  EXPECT_EQ(fact_of_text(" true"), "\" true\"");
  EXPECT_EQ(fact_of_text("\"acme\""), R"("\"acme\"")");
  EXPECT_EQ(fact_of_text("[]"), "\"[]\"");
  EXPECT_EQ(fact_of_text("true story"), "true story");
  EXPECT_EQ(fact_of_text("4.2.1"), "4.2.1");
  EXPECT_EQ(fact_of_text(""), "");
}

TEST(Json, RefusesBadTextAndDepth) {
  for (const char* text :
       {"", "{", "{}x", "[1,]", "{\"a\":01}", "nul", "\"\x01\"", "\"\xFF\"", "// c\n{}", "{'a':1}",
        "\xEF\xBB\xBF{}", "\"\\ud800\"", "NaN", "[Infinity]", "+1"})
    EXPECT_NE(complaint_of(text), "") << text;
  EXPECT_NE(complaint_of(std::string(33, '[') + std::string(33, ']')), "");
  EXPECT_EQ(complaint_of(std::string(31, '[') + std::string(31, ']')), "");
}

TEST(Fields, RefusesUnknownMissingAndMistyped) {
  const json::object object = parse_json_object(R"({"a":"x","n":7,"l":["p","q"],"b":true})");
  {
    Fields fields(object);
    EXPECT_EQ(fields.text("a", 10), "x");
    EXPECT_EQ(fields.optional_integer("n", 0, 10), 7);
    EXPECT_EQ(fields.text_list("l", 5, 5), (std::vector<std::string>{"p", "q"}));
    EXPECT_EQ(fields.optional_bool("b"), true);
    EXPECT_NO_THROW(fields.finish());
  }
  Fields fields(object, "outer");
  EXPECT_THROW(fields.text("zz", 10), Error);
  EXPECT_THROW(fields.text("n", 10), Error);
  EXPECT_THROW(fields.text("a", 0), Error);
  EXPECT_THROW(fields.optional_integer("n", 8, 10), Error);
  EXPECT_THROW(fields.optional_integer("a", 0, 10), Error);
  try {
    Fields(object, "outer").finish();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.detail(), "outer.a: is not a known field");
  }
}

TEST(LogEscape, KeepsOneEventOnOneLine) {
  EXPECT_EQ(log::escape("plain"), "plain");
  EXPECT_EQ(log::escape(""), "\"\"");
  EXPECT_EQ(log::escape("two words"), "\"two words\"");
  EXPECT_EQ(log::escape("a\r\nlevel=error"), "\"a\\r\\nlevel=error\"");
  EXPECT_EQ(log::escape("\x1b[2J"), "\"\\x1b[2J\"");
  EXPECT_EQ(log::escape("q\"\\"), "\"q\\\"\\\\\"");
  EXPECT_EQ(log::escape("\xC2\x9B"
                        "2J"),
            "\"\\xc2\\x9b2J\"");
  EXPECT_EQ(log::escape("\xFF\xC3"), "\"\\xff\\xc3\"");
  EXPECT_EQ(log::escape("\xC3\xA4"), "\"\xC3\xA4\"");
}

TEST(Secret, MovesAndNeverCopies) {
  static_assert(!std::is_copy_constructible_v<Secret>);
  Secret first(as_bytes("canary"));
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(as_text(second.view()), "canary");
  first = second.clone();
  EXPECT_EQ(as_text(first.view()), "canary");
}

TEST(Hmac, MatchesRfc4231Case2) {
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?")).view()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(SystemCalls, OfTheCoreMakeNoSocketPastTheFilter) {
  const auto refused = [](long result) { return result == -1 && errno == EPERM; };
  EXPECT_EXIT(
      {
        restrict_system_calls(Profile::core);
        const bool inet = refused(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const bool local = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
        const bool ring = refused(::syscall(SYS_io_uring_setup, 1, nullptr));
        ::_exit(inet && local && ring ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Error, EveryKindHasItsOwnName) {
  std::set<std::string_view> names;
  for (int kind = 0; kind < kErrorKinds; ++kind)
    names.insert(to_string(static_cast<ErrorKind>(kind)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kErrorKinds));
}

}  // namespace
}  // namespace holdfast
