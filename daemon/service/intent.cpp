#include "daemon/service/intent.h"

#include "daemon/base/error.h"
#include "daemon/key/check_value.h"
#include "daemon/key/verify.h"
#include "daemon/service/device_signature.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

// Derives the signing key of one day, region and service, after the device has shown that it still
// holds the secret that was imported.
awaitable<Secret> derive(Service& service, std::uint64_t account,
                         const std::vector<Bytes>& derivation, const Key& key,
                         const KeyVersion& version) {
  device::Client& device = service.device(key.device);
  const Secret mac = co_await device.mac(account, version.object, check_message());
  if (check_value(mac) != version.check_value)
    throw Error(ErrorKind::key_lost,
                "the device answers with another key than was imported; see docs/recovery.md");
  service.lost.remove(key.name, version.number);
  co_return co_await device.mac(account, version.object, derivation);
}

// A request or a POST policy: whatever a SigV4 signing key signs.
template <class Request>
awaitable<Signed> sign_sigv4(Service& service, std::uint64_t account, const Request& request,
                             const Key& key, const KeyVersion& version) {
  const auto bytes = request.bytes(version.kid);
  const SteadyTime now = service.clock.steady();
  const Secret* cached = service.signing_keys.find(key.name, version.number, bytes.scope, now);
  Secret derived;
  if (cached == nullptr)
    derived = co_await derive(service, account, bytes.derivation, key, version);
  const Secret signature =
      hmac_sha256((cached != nullptr ? cached : &derived)->view(), as_bytes(bytes.string_to_sign));
  // Not if the key was changed or replaced while the device worked: its name may mean another by
  // now.
  if (cached == nullptr && service.catalogue.find(key.name).get() == &key)
    service.signing_keys.put(account, key.name, version.number, bytes.scope, std::move(derived),
                             now);
  const std::string hex = to_hex(signature.view());
  co_return Signed{
      request.reply(bytes, hex), sha256(bytes.string_to_sign), sha256(signature.view()), {}};
}

// Of a key with a certificate that is valid now.
format::CertificateHolder holder_of(Service& service, const Key& key, const KeyVersion& version) {
  if (!version.certificate)
    throw Error(ErrorKind::conflict,
                "the key's active version has no certificate yet: an administrator attaches one");
  demand_valid(*version.certificate, service.clock.now());
  format::CertificateHolder holder{algorithms_of(key.type).front(), version.certificate->serial,
                                   version.certificate->chain};
  // Who trusts a root has it.
  if (version.certificate->ends_in_root && holder.chain.size() > 1) holder.chain.pop_back();
  return holder;
}

awaitable<Signed> sign_roles_anywhere(Service& service, std::uint64_t account,
                                      const format::RolesAnywhereRequest& request, const Key& key,
                                      const KeyVersion& version) {
  const format::CertificateHolder holder = holder_of(service, key, version);
  const format::RolesAnywhereBytes bytes = request.bytes(holder);
  const Bytes input = to_be_signed(holder.algorithm, bytes.string_to_sign);
  Bytes signature =
      co_await verified_signature(service, account, holder.algorithm, input, key, version);
  if (holder.algorithm == Algorithm::es256) signature = ecdsa_raw_to_der(signature);
  co_return Signed{
      request.reply(bytes, signature), sha256(bytes.string_to_sign), sha256(signature), {}};
}

// 128 random bits can't come twice (RFC 7519 §4.1.7), before a restart or after it.
std::string new_jti() {
  return to_base64url(random_bytes(16));
}

awaitable<Signed> mint_jwt(Service& service, std::uint64_t account,
                           const format::JwtRequest& request, const Key& key,
                           const KeyVersion& version, const Forced& forced) {
  const Algorithm algorithm = request.algorithm_for(key.type);
  const format::JwtMint mint{service.clock.now(), version.kid, new_jti(), forced};
  const format::JwtBytes bytes = request.bytes(algorithm, mint);
  const Bytes input = to_be_signed(algorithm, bytes.signing_input);
  const Bytes signature =
      co_await verified_signature(service, account, algorithm, input, key, version);
  co_return Signed{format::JwtRequest::reply(bytes, signature), sha256(bytes.signing_input),
                   sha256(signature), bytes.jti};
}

awaitable<Signed> sign_digest(Service& service, std::uint64_t account,
                              const format::DigestRequest& request, const Key& key,
                              const KeyVersion& version) {
  const Bytes signature = co_await verified_signature(service, account, request.algorithm(),
                                                      request.digest(), key, version);
  co_return Signed{request.reply(signature), sha256(request.digest()), sha256(signature), {}};
}

}  // namespace

std::string_view name_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::sign_sigv4:
      return "sign.sigv4";
    case Operation::sign_s3_post:
      return "sign.s3-post";
    case Operation::sign_roles_anywhere:
      return "sign.roles-anywhere";
    case Operation::mint_jwt:
      return "token.jwt";
    case Operation::sign_digest:
      return "sign.digest";
  }
  return "";
}

KeyUse use_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::sign_sigv4:
    case Operation::sign_s3_post:
      return KeyUse::sigv4;
    case Operation::sign_roles_anywhere:
      return KeyUse::roles_anywhere;
    case Operation::mint_jwt:
      return KeyUse::jwt;
    case Operation::sign_digest:
      return KeyUse::digest;
  }
  return KeyUse::digest;
}

Intent read_intent(Operation operation, std::string_view body, SystemTime now) {
  std::array<unsigned char, 4096> start;  // as much as most requests need
  json::monotonic_resource storage(start.data(), start.size());
  const json::object object = parse_json_object(body, &storage);
  switch (operation) {
    case Operation::sign_sigv4:
      return format::Sigv4Request::parse(object, now);
    case Operation::sign_s3_post:
      return format::S3PostRequest::parse(object, now);
    case Operation::sign_roles_anywhere:
      return format::RolesAnywhereRequest::parse(object, now);
    case Operation::mint_jwt:
      return format::JwtRequest::parse(object);
    case Operation::sign_digest:
      return format::DigestRequest::parse(object);
  }
  throw Error(ErrorKind::internal, "unknown operation");
}

const std::string& key_of(const Intent& intent) {
  return std::visit([](const auto& request) -> const std::string& { return request.key(); },
                    intent);
}

Facts take_facts(Intent& intent) {
  return std::visit([](auto& request) { return request.take_facts(); }, intent);
}

std::chrono::seconds skew_of(const Intent& intent) {
  if (const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent)) return sigv4->skew();
  if (const auto* post = std::get_if<format::S3PostRequest>(&intent)) return post->skew();
  if (const auto* session = std::get_if<format::RolesAnywhereRequest>(&intent))
    return session->skew();
  return std::chrono::seconds{0};
}

std::optional<std::chrono::seconds> ttl_of(const Intent& intent) {
  const auto* jwt = std::get_if<format::JwtRequest>(&intent);
  return jwt == nullptr ? std::nullopt : std::optional(jwt->ttl());
}

void settle(Intent& intent, const Key& key) {
  if (auto* jwt = std::get_if<format::JwtRequest>(&intent)) jwt->settle(key.type);
}

awaitable<Signed> sign(Service& service, std::uint64_t account, const Intent& intent,
                       const Key& key, const KeyVersion& version, const Forced& forced) {
  if (const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent))
    return sign_sigv4(service, account, *sigv4, key, version);
  if (const auto* post = std::get_if<format::S3PostRequest>(&intent))
    return sign_sigv4(service, account, *post, key, version);
  if (const auto* session = std::get_if<format::RolesAnywhereRequest>(&intent))
    return sign_roles_anywhere(service, account, *session, key, version);
  if (const auto* jwt = std::get_if<format::JwtRequest>(&intent))
    return mint_jwt(service, account, *jwt, key, version, forced);
  return sign_digest(service, account, std::get<format::DigestRequest>(intent), key, version);
}

}  // namespace holdfast
