// What stands for the body in the canonical request.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/base/json.h"

namespace holdfast::format {

enum class PayloadKind { is_signed, is_unsigned, streaming };
std::string_view to_string(PayloadKind kind) noexcept;  // the fact: signed, unsigned, streaming

struct Payload {
  std::string hash;  // hex SHA-256, or one of AWS's literals
  PayloadKind kind = PayloadKind::is_signed;
  bool seen = false;                // `body` holds all there is, be it nothing
  bool has_signed_chunks = false;   // each is signed by itself, after the request
  bool has_signed_trailer = false;  // and what comes behind them
  Bytes body;
};

// 64 lower-case hex digits?
bool is_sha256_hex(std::string_view text) noexcept;

// Reads `payload_sha256` or `body`; both is an error. Without either the body is UNSIGNED-PAYLOAD
// if `unsigned_by_default`, else empty, which PUT, POST and PATCH have to say.
Payload read_payload(Fields& fields, std::string_view method, bool unsigned_by_default);

}  // namespace holdfast::format
