#include "daemon/service/intent.h"

#include "daemon/base/error.h"
#include "daemon/key/verify.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

awaitable<Signed> sign_sigv4(Service& service, std::uint32_t uid,
                             const format::Sigv4Request& request, const Key& key,
                             const KeyVersion& version) {
  const format::Sigv4Bytes bytes = request.bytes(version.kid);
  const SteadyTime now = service.clock.steady();
  const Secret* cached = service.signing_keys.find(key.name, version.number, bytes.scope, now);
  Secret derived;
  if (cached == nullptr)
    derived = co_await service.device(key.device).mac(uid, version.object, bytes.derivation);
  const Secret signature =
      hmac_sha256((cached != nullptr ? cached : &derived)->view(), as_bytes(bytes.string_to_sign));
  // Not if the key was changed or replaced while the device worked: its name may mean another by
  // now.
  if (cached == nullptr && service.catalogue.find(key.name).get() == &key)
    service.signing_keys.put(key.name, version.number, bytes.scope, std::move(derived), now);
  const std::string hex = to_hex(signature.view());
  co_return Signed{request.reply(bytes, hex), sha256(bytes.string_to_sign),
                   sha256(signature.view())};
}

awaitable<Signed> sign_digest(Service& service, std::uint32_t uid,
                              const format::DigestRequest& request, const Key& key,
                              const KeyVersion& version) {
  const Bytes signature = co_await service.device(key.device)
                              .sign(uid, version.object, request.algorithm(), request.digest());
  if (!verifies(version.public_key, request.algorithm(), request.digest(), signature))
    throw Error(
        ErrorKind::device_unavailable,
        "the device gave a signature that its own public key refuses; nothing was released");
  co_return Signed{request.reply(signature), sha256(request.digest()), sha256(signature)};
}

}  // namespace

std::string_view name_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::sign_sigv4:
      return "sign.sigv4";
    case Operation::sign_digest:
      return "sign.digest";
  }
  return "";
}

KeyUse use_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::sign_sigv4:
      return KeyUse::sigv4;
    case Operation::sign_digest:
      return KeyUse::digest;
  }
  return KeyUse::digest;
}

Intent read_intent(Operation operation, std::string_view body, SystemTime now) {
  const json::object object = parse_json_object(body);
  switch (operation) {
    case Operation::sign_sigv4:
      return format::Sigv4Request::parse(object, now);
    case Operation::sign_digest:
      return format::DigestRequest::parse(object);
  }
  throw Error(ErrorKind::internal, "unknown operation");
}

const std::string& key_of(const Intent& intent) {
  return std::visit([](const auto& request) -> const std::string& { return request.key(); },
                    intent);
}

const Facts& facts_of(const Intent& intent) {
  return std::visit([](const auto& request) -> const Facts& { return request.facts(); }, intent);
}

std::chrono::seconds skew_of(const Intent& intent) {
  const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent);
  return sigv4 == nullptr ? std::chrono::seconds{0} : sigv4->skew();
}

awaitable<Signed> sign(Service& service, std::uint32_t uid, const Intent& intent, const Key& key,
                       const KeyVersion& version) {
  if (const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent))
    return sign_sigv4(service, uid, *sigv4, key, version);
  return sign_digest(service, uid, std::get<format::DigestRequest>(intent), key, version);
}

}  // namespace holdfast
