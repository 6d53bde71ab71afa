#include "daemon/format/sigv4_payload.h"

#include <algorithm>

#include "daemon/base/openssl.h"

namespace holdfast::format {
namespace {

constexpr std::size_t kMaxBody = 64 * 1024;  // no request is larger
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
constexpr std::string_view kEmpty =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
constexpr std::string_view kUnsignedChunks = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
constexpr std::string_view kSignedChunks = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
constexpr std::string_view kSignedTrailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

}  // namespace

bool is_sha256_hex(std::string_view text) noexcept {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string_view to_string(PayloadKind kind) noexcept {
  switch (kind) {
    case PayloadKind::is_signed:
      return "signed";
    case PayloadKind::is_unsigned:
      return "unsigned";
    case PayloadKind::streaming:
      return "streaming";
  }
  return {};
}

Payload read_payload(Fields& fields, std::string_view method, bool unsigned_by_default) {
  const auto given = fields.optional_text("payload_sha256", 128);
  auto body = fields.optional_base64("body", kMaxBody);
  if (given && body) fields.fail("body", "and payload_sha256 exclude each other: give one");

  Payload payload;
  if (body) {
    payload.body = std::move(*body);
    payload.hash = sha256_hex(as_text(payload.body));
    payload.seen = true;
  } else if (given) {
    payload.hash = *given;
    payload.seen = payload.hash == kEmpty;
    if (payload.hash == kUnsigned)
      payload.kind = PayloadKind::is_unsigned;
    else if (payload.hash == kUnsignedChunks || payload.hash == kSignedChunks ||
             payload.hash == kSignedTrailer)
      payload.kind = PayloadKind::streaming;
    else if (!is_sha256_hex(payload.hash))
      fields.fail("payload_sha256",
                  "has to be a SHA-256 in 64 lower-case hex digits, UNSIGNED-PAYLOAD, or a "
                  "STREAMING-… literal of AWS");
    payload.has_signed_trailer = payload.hash == kSignedTrailer;
    payload.has_signed_chunks = payload.has_signed_trailer || payload.hash == kSignedChunks;
  } else if (unsigned_by_default) {
    payload.hash = kUnsigned;
    payload.kind = PayloadKind::is_unsigned;
  } else if (method == "PUT" || method == "POST" || method == "PATCH") {
    fields.fail("payload_sha256",
                "or body is required for PUT, POST and PATCH; give \"body\":\"\" "
                "for an empty one");
  } else {
    payload.hash = kEmpty;
    payload.seen = true;
  }
  return payload;
}

}  // namespace holdfast::format
