#include "daemon/format/sigv4_scope.h"

#include <algorithm>

#include "daemon/base/openssl.h"
#include "daemon/format/sigv4_headers.h"

namespace holdfast::format {
namespace {

using namespace std::chrono;

constexpr std::string_view kTerminator = "aws4_request";
constexpr std::size_t kMaxSessionToken = 8192;

Bytes copy(std::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace

Sigv4ToSign sigv4_scope(std::string_view time, std::string_view region, std::string_view service,
                        const std::string& access_key_id) {
  const std::string_view date = time.substr(0, 8);
  Sigv4ToSign made;
  made.scope.append(date).append("/");
  if (!region.empty()) made.scope.append(region).append("/");
  made.scope.append(service).append("/").append(kTerminator);
  made.credential = access_key_id + "/" + made.scope;
  if (!region.empty())
    made.derivation = {copy(date), copy(region), copy(service), copy(kTerminator)};
  return made;
}

bool is_scope_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

std::string read_scope_part(Fields& fields, std::string_view name) {
  std::string text = fields.text(name, kMaxScopePart);
  if (text.empty() || !std::ranges::all_of(text, is_scope_character))
    fields.fail(name, "has to be 1 to 64 of a-z, 0-9 and -");
  return text;
}

SigningTime read_signing_time(Fields& fields, SystemTime now) {
  SystemTime time = floor<seconds>(now);
  if (const auto text = fields.optional_text("time", 32)) {
    const auto given = from_rfc3339(*text);
    if (!given || *given < SystemTime{})
      fields.fail("time", "has to be UTC from 1970 to 2261, as 2026-01-01T00:00:00Z");
    time = *given;
  }
  return {time, abs(duration_cast<seconds>(time - floor<seconds>(now)))};
}

std::string read_session_token(Fields& fields) {
  const auto token = fields.optional_text("session_token", kMaxSessionToken);
  if (!token) return {};
  if (token->empty() || !std::ranges::all_of(*token, [](char c) { return c > ' ' && c < '\x7f'; }))
    fields.fail("session_token", "has to be visible ASCII without a space; leave it out for none");
  return *token;
}

// Secrets must not reach a log, and facts do.
std::string shown_value(std::string_view name, const std::string& value) {
  return is_secret_header(name) ? "sha256:" + sha256_hex(value) : value;
}

}  // namespace holdfast::format
