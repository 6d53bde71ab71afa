// How each kind of intent is signed: bytes, device, reply.
#include "daemon/base/error.h"
#include "daemon/key/check_value.h"
#include "daemon/key/verify.h"
#include "daemon/service/device_signature.h"
#include "daemon/service/intent.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

// Derives the signing key of one day, region and service, after the device has shown that it still
// holds the secret that was imported, and keeps it.
awaitable<Secret> derive(Service& service, std::uint64_t account, const std::string& scope,
                         const std::vector<Bytes>& derivation, const Key& key,
                         const KeyVersion& version) {
  device::Client& device = service.device(key.device);
  const Secret mac = co_await device.mac(account, version.object, check_message());
  if (check_value(mac) != version.check_value)
    throw Error(ErrorKind::key_lost,
                "the device answers with another key than was imported; see docs/recovery.md");
  service.lost.remove(key.name, version.number);
  Secret derived = co_await device.mac(account, version.object, derivation);
  // Not if the key was changed or replaced while the device worked: its name may mean another by
  // now.
  if (service.catalogue.find(key.name).get() == &key)
    service.signing_keys.put(account, key.name, version.number, scope, derived.clone(),
                             service.clock.steady());
  co_return derived;
}

// A request or a POST policy: whatever a SigV4 signing key signs.
template <class Request>
awaitable<Signed> sign_sigv4(Service& service, std::uint64_t account, const Request& request,
                             const Key& key, const KeyVersion& version) {
  auto bytes = request.bytes(version.kid);
  const Secret* signing_key =
      service.signing_keys.find(key.name, version.number, bytes.scope, service.clock.steady());
  Secret derived;
  if (signing_key == nullptr) {
    derived = co_await derive(service, account, bytes.scope, bytes.derivation, key, version);
    signing_key = &derived;
  }
  const Secret signature = hmac_sha256(signing_key->view(), as_bytes(bytes.string_to_sign));
  const std::string hex = to_hex(signature.view());
  Signed result{
      request.reply(bytes, hex), sha256(bytes.string_to_sign), sha256(signature.view()), {}};
  if constexpr (std::is_same_v<Request, format::Sigv4Request>) {
    if (request.chunks())
      result.recorded = [&service, account, &request, &key, &version, hex,
                         bytes = std::move(bytes)](std::uint64_t sequence, json::object& reply) {
        reply["session"] = service.chunk_sessions.open(
            {account, key.name, version, bytes.scope, bytes.derivation, request.facts(),
             request.skew(), sequence,
             format::ChunkChain(*request.chunks(), request.time(), bytes.scope, hex),
             service.clock.steady()});
      };
  }
  co_return result;
}

awaitable<Signed> sign_chunk(Service& service, std::uint64_t account, const Chunk& chunk,
                             const Key& key, const KeyVersion& version) {
  ChunkSession& session = chunk.own();
  const std::string text = session.chain.string_to_sign(chunk.request());
  const Secret* signing_key =
      service.signing_keys.find(key.name, version.number, session.scope, service.clock.steady());
  Secret derived;
  if (signing_key == nullptr) {
    derived = co_await derive(service, account, session.scope, session.derivation, key, version);
    signing_key = &derived;
  }
  const Secret signature = hmac_sha256(signing_key->view(), as_bytes(text));
  const std::string hex = to_hex(signature.view());
  Signed result{{{"signature", hex}}, sha256(text), sha256(signature.view()), {}};
  result.recorded = [&service, &session, &chunk, hex](std::uint64_t, json::object&) {
    session.chain.advance(chunk.request(), hex);
    if (session.chain.is_complete()) service.chunk_sessions.close(chunk.request().session);
  };
  co_return result;
}

awaitable<Signed> sign_sigv4a(Service& service, std::uint64_t account,
                              const format::Sigv4Request& request, const Key& key,
                              const KeyVersion& version) {
  const format::Sigv4Bytes bytes = request.bytes(version.kid);
  const Bytes digest = to_be_signed(Algorithm::es256, bytes.string_to_sign);
  const Bytes signature =
      co_await verified_signature(service, account, Algorithm::es256, digest, key, version);
  co_return Signed{request.reply(bytes, to_hex(ecdsa_raw_to_der(signature))),
                   sha256(bytes.string_to_sign),
                   sha256(signature),
                   {}};
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

awaitable<Signed> sign(Service& service, std::uint64_t account, const Intent& intent,
                       const Key& key, const KeyVersion& version, const Forced& forced) {
  if (const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent))
    return sigv4->is_asymmetric() ? sign_sigv4a(service, account, *sigv4, key, version)
                                  : sign_sigv4(service, account, *sigv4, key, version);
  if (const auto* chunk = std::get_if<Chunk>(&intent))
    return sign_chunk(service, account, *chunk, key, version);
  if (const auto* post = std::get_if<format::S3PostRequest>(&intent))
    return sign_sigv4(service, account, *post, key, version);
  if (const auto* session = std::get_if<format::RolesAnywhereRequest>(&intent))
    return sign_roles_anywhere(service, account, *session, key, version);
  if (const auto* jwt = std::get_if<format::JwtRequest>(&intent))
    return mint_jwt(service, account, *jwt, key, version, forced);
  return sign_digest(service, account, std::get<format::DigestRequest>(intent), key, version);
}

}  // namespace holdfast
