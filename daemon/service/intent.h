// A typed request, what the caller wants said: the one place that knows all formats.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/openssl.h"
#include "daemon/format/digest.h"
#include "daemon/format/jwt.h"
#include "daemon/format/roles_anywhere.h"
#include "daemon/format/s3_post.h"
#include "daemon/format/sigv4.h"
#include "daemon/service/service.h"

namespace holdfast {

enum class Operation {
  sign_sigv4,
  sign_sigv4_chunk,
  sign_s3_post,
  sign_roles_anywhere,
  mint_jwt,
  sign_digest
};

using Intent =
    std::variant<format::Sigv4Request, Chunk, format::S3PostRequest, format::RolesAnywhereRequest,
                 format::JwtRequest, format::DigestRequest>;

std::string_view name_of(Operation operation) noexcept;  // "sign.sigv4", as records have it

using Forced = std::map<std::string, std::string>;  // Policy::forced

// Throws Error{invalid_request} that names the field.
Intent read_intent(Operation operation, std::string_view body, SystemTime now);

const std::string& key_of(const Intent& intent);
KeyUse use_of(const Intent& intent) noexcept;
Facts take_facts(Intent& intent);  // once: the intent is without them then
std::chrono::seconds skew_of(const Intent& intent);
std::optional<std::chrono::seconds> ttl_of(const Intent& intent);  // of a token

// A chunk finds the session that it goes on with.
void resume(Service& service, const Caller& caller, Intent& intent);
// Does it name a session that this caller does not have?
bool is_lost(const Intent& intent) noexcept;
// Where it goes on with what was begun: the version that began it. Else nullptr.
const KeyVersion* begun_with(const Intent& intent) noexcept;

// What the intent leaves to its key is settled, so that policy sees it.
void settle(Intent& intent, const Key& key);

struct Signed {
  json::object reply;
  Sha256 signed_digest;     // of what was signed
  Sha256 signature_digest;  // of the signature
  std::string jti;          // of a token
  // What follows of it once it is on record, as `sequence`; may add to the reply.
  std::function<void(std::uint64_t sequence, json::object& reply)> recorded = {};
};

// Builds the bytes, with what the grant forces, has the device sign them with this version, and builds
// the reply. All arguments stay the caller's while it waits, and until `recorded` was called. Throws what the device does.
boost::asio::awaitable<Signed> sign(Service& service, std::uint64_t account, const Intent& intent,
                                    const Key& key, const KeyVersion& version,
                                    const Forced& forced);

}  // namespace holdfast
