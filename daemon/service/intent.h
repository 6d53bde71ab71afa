// A typed request, what the caller wants said: the one place that knows all formats.
#pragma once

#include <variant>

#include <boost/asio/awaitable.hpp>

#include "daemon/base/openssl.h"
#include "daemon/format/digest.h"
#include "daemon/format/sigv4.h"
#include "daemon/service/service.h"

namespace holdfast {

enum class Operation { sign_sigv4, sign_digest };

using Intent = std::variant<format::Sigv4Request, format::DigestRequest>;

std::string_view name_of(Operation operation) noexcept;  // "sign.sigv4", as records have it
KeyUse use_of(Operation operation) noexcept;

// Throws Error{invalid_request} that names the field.
Intent read_intent(Operation operation, std::string_view body, SystemTime now);

const std::string& key_of(const Intent& intent);
const Facts& facts_of(const Intent& intent);
std::chrono::seconds skew_of(const Intent& intent);

struct Signed {
  json::object reply;
  Sha256 signed_digest;     // of what was signed
  Sha256 signature_digest;  // of the signature
};

// Builds the bytes, has the device sign them with this version, and builds the reply. `key` stays
// the caller's while it waits. Throws what the device does.
boost::asio::awaitable<Signed> sign(Service& service, std::uint32_t uid, const Intent& intent,
                                    const Key& key, const KeyVersion& version);

}  // namespace holdfast
