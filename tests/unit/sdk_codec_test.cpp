// What libholdfast makes of requests and replies, and of structs from another version of itself.
#include <gtest/gtest.h>
#include <holdfast/holdfast.h>

#include <cstring>
#include <memory>
#include <string>

namespace {

struct Result {
  holdfast_code code;
  std::string text;  // the body, or the error's detail
};

template <class Request>
Result encode(holdfast_code (*function)(const Request*, char**, holdfast_error**),
              const Request* request) {
  char* body = nullptr;
  holdfast_error* error = nullptr;
  Result result{function(request, &body, &error), {}};
  result.text = body ? body : holdfast_error_detail(error);
  holdfast_text_free(body);
  holdfast_error_free(error);
  return result;
}

holdfast_sigv4_request sigv4() {
  holdfast_sigv4_request request = HOLDFAST_SIGV4_REQUEST_INIT;
  request.key = "k";
  request.region = "r";
  request.service = "s3";
  request.method = "GET";
  request.url = "https://h/";
  return request;
}

const char* const kAudiences[] = {"a", "b"};

holdfast_jwt_request jwt() {
  holdfast_jwt_request request = HOLDFAST_JWT_REQUEST_INIT;
  request.key = "k";
  request.audiences = kAudiences;
  request.audience_count = 1;
  request.ttl = 60;
  return request;
}

TEST(SdkCodec, LeavesOutWhatIsNotGiven) {
  const auto request = sigv4();
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).text,
            R"({"key":"k","region":"r","service":"s3","method":"GET","url":"https://h/"})");
}

TEST(SdkCodec, WritesEveryFieldOfASigv4Request) {
  auto request = sigv4();
  const holdfast_header header{"Range", "bytes=\"0\""};
  const char* const names[] = {"x"};
  request.headers = &header;
  request.header_count = 1;
  request.payload_sha256 = "UNSIGNED-PAYLOAD";
  request.mode = HOLDFAST_SIGV4_QUERY;
  request.expires_in = 604800;
  request.session_token = "t";
  request.time = "2026-01-01T00:00:00Z";
  request.sign_headers = names;
  request.sign_header_count = 1;
  request.normalize_path = HOLDFAST_YES;
  request.double_encode = HOLDFAST_NO;
  request.content_sha256_header = HOLDFAST_NO;
  request.explain = 1;
  EXPECT_EQ(
      encode(holdfast_encode_sigv4, &request).text,
      R"({"key":"k","region":"r","service":"s3","method":"GET","url":"https://h/","headers":[["Range","bytes=\"0\""]],)"
      R"("payload_sha256":"UNSIGNED-PAYLOAD","mode":"query","expires_in":604800,"session_token":"t",)"
      R"("time":"2026-01-01T00:00:00Z","sign_headers":["x"],"normalize_path":true,"double_encode":false,)"
      R"("content_sha256_header":false,"explain":true})");
}

TEST(SdkCodec, SendsAnEmptyBodyWhereOneIsGiven) {
  auto request = sigv4();
  request.body = "";
  EXPECT_NE(encode(holdfast_encode_sigv4, &request).text.find(R"("body":"")"), std::string::npos);
  for (const auto& [plain, base64] :
       {std::pair{"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}}) {
    request.body = plain;
    request.body_size = std::strlen(plain);
    EXPECT_NE(encode(holdfast_encode_sigv4, &request)
                  .text.find(std::string("\"body\":\"") + base64 + '"'),
              std::string::npos);
  }
}

TEST(SdkCodec, RefusesWhatIsMissingOrNotUtf8) {
  auto request = sigv4();
  request.region = nullptr;
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).code, HOLDFAST_INVALID_ARGUMENT);
  request.region = "\xff";
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).code, HOLDFAST_INVALID_ARGUMENT);
  auto token = jwt();
  token.audience_count = 0;
  EXPECT_EQ(encode(holdfast_encode_jwt, &token).code, HOLDFAST_INVALID_ARGUMENT);
}

TEST(SdkCodec, KeepsTheFormOfTheAudience) {
  auto request = jwt();
  EXPECT_EQ(encode(holdfast_encode_jwt, &request).text, R"({"key":"k","audience":"a","ttl":60})");
  request.audience_list = 1;
  EXPECT_EQ(encode(holdfast_encode_jwt, &request).text, R"({"key":"k","audience":["a"],"ttl":60})");
  request.audience_list = 0;
  request.audience_count = 2;
  EXPECT_EQ(encode(holdfast_encode_jwt, &request).text,
            R"({"key":"k","audience":["a","b"],"ttl":60})");
}

TEST(SdkCodec, SendsClaimsAsTheyAreWritten) {
  auto request = jwt();
  request.claims = R"( {"n":18446744073709551615,"x":1.10,"t":"\u00e9"} )";
  EXPECT_EQ(encode(holdfast_encode_jwt, &request).text,
            std::string(R"({"key":"k","audience":"a","ttl":60,"claims":)") + request.claims + "}");
}

TEST(SdkCodec, RefusesClaimsThatAreMoreOrLessThanOneObject) {
  auto request = jwt();
  for (const char* claims : {"", "1", "[]", "{", R"({},"key":"other")", R"({"a":1,"a":2})",
                             R"({"a":1e999})", R"({}{})"}) {
    request.claims = claims;
    EXPECT_EQ(encode(holdfast_encode_jwt, &request).code, HOLDFAST_INVALID_ARGUMENT) << claims;
  }
}

TEST(SdkCodec, ReadsADigestsSignature) {
  const std::string good = R"({"signature":"AAEC/w==","audit_seq":7,"later":[1]})";
  holdfast_digest_reply* reply = nullptr;
  ASSERT_EQ(holdfast_decode_digest(good.data(), good.size(), "id", &reply, nullptr), HOLDFAST_OK);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(reply->signature), reply->signature_size),
            std::string("\x00\x01\x02\xff", 4));
  EXPECT_EQ(reply->audit_seq, 7);
  EXPECT_STREQ(reply->request_id, "id");
  holdfast_digest_reply_free(reply);
}

TEST(SdkCodec, RefusesRepliesThatLackWhatTheyPromise) {
  for (const std::string text :
       {R"({"signature":"AAE","audit_seq":7})", R"({"signature":"A=EC","audit_seq":7})",
        R"({"signature":"AAEC"})", R"({"signature":"AA\u0000C","audit_seq":7})", "[]", ""}) {
    holdfast_digest_reply* reply = nullptr;
    EXPECT_EQ(holdfast_decode_digest(text.data(), text.size(), nullptr, &reply, nullptr),
              HOLDFAST_BAD_REPLY)
        << text;
    EXPECT_EQ(reply, nullptr);
  }
  for (const std::string text :
       {R"({"headers":[["A"]],"url":"u","signature":"s","signed_headers":"h","audit_seq":1})",
        R"({"headers":{},"url":"u","signature":"s","signed_headers":"h","audit_seq":1})",
        R"({"headers":[],"url":"u","signature":"s","signed_headers":"h","audit_seq":"1"})"}) {
    holdfast_sigv4_reply* reply = nullptr;
    EXPECT_EQ(holdfast_decode_sigv4(text.data(), text.size(), nullptr, &reply, nullptr),
              HOLDFAST_BAD_REPLY)
        << text;
  }
}

TEST(SdkCodec, TakesASetOfRegionsInsteadOfOne) {
  const char* const regions[] = {"us-east-1", "eu-*"};
  auto request = sigv4();
  request.region_set = regions;
  request.region_set_count = 2;
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).code, HOLDFAST_INVALID_ARGUMENT) << "both";
  request.region = nullptr;
  EXPECT_EQ(
      encode(holdfast_encode_sigv4, &request).text,
      R"({"key":"k","region_set":["us-east-1","eu-*"],"service":"s3","method":"GET","url":"https://h/"})");
  request.region_set_count = 0;
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).code, HOLDFAST_INVALID_ARGUMENT) << "neither";
}

TEST(SdkCodec, TakesTheStructOfBeforeItHadSetsOfRegions) {
  auto request = sigv4();
  request.struct_size = offsetof(holdfast_sigv4_request, region_set);
  request.region_set_count = 1;  // whatever is there is no part of it
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).text,
            R"({"key":"k","region":"r","service":"s3","method":"GET","url":"https://h/"})");
}

// A struct of a later version: this one and a field more.
struct Later {
  holdfast_sigv4_request known;
  std::uint64_t further;
};

TEST(SdkCodec, TakesALaterVersionsStructUnlessItSetsMore) {
  Later later{sigv4(), 0};
  later.known.struct_size = sizeof later;
  EXPECT_EQ(encode(holdfast_encode_sigv4, &later.known).code, HOLDFAST_OK);
  later.further = 1;
  EXPECT_EQ(encode(holdfast_encode_sigv4, &later.known).code, HOLDFAST_INVALID_ARGUMENT);
}

TEST(SdkCodec, RefusesAStructThatWasNotSetUp) {
  auto request = sigv4();
  request.struct_size = 0;
  EXPECT_EQ(encode(holdfast_encode_sigv4, &request).code, HOLDFAST_INVALID_ARGUMENT);
  EXPECT_EQ(encode<holdfast_sigv4_request>(holdfast_encode_sigv4, nullptr).code,
            HOLDFAST_INVALID_ARGUMENT);
}

TEST(SdkCodec, ReadsNoErrorFromNull) {
  EXPECT_EQ(holdfast_error_code(nullptr), HOLDFAST_OK);
  EXPECT_STREQ(holdfast_error_code_text(nullptr), "ok");
  EXPECT_STREQ(holdfast_error_detail(nullptr), "");
  holdfast_error_free(nullptr);
}

TEST(SdkCodec, SaysItsVersion) {
  EXPECT_EQ(holdfast_version(), HOLDFAST_VERSION_NUMBER);
}

}  // namespace
