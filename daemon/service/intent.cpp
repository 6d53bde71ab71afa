#include "daemon/service/intent.h"

#include "daemon/base/error.h"

namespace holdfast {

std::string_view name_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::sign_sigv4:
      return "sign.sigv4";
    case Operation::sign_sigv4_chunk:
      return "sign.sigv4.chunk";
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

Intent read_intent(Operation operation, std::string_view body, SystemTime now) {
  std::array<unsigned char, 4096> start;  // as much as most requests need
  json::monotonic_resource storage(start.data(), start.size());
  const json::object object = parse_json_object(body, &storage);
  switch (operation) {
    case Operation::sign_sigv4:
      return format::Sigv4Request::parse(object, now);
    case Operation::sign_sigv4_chunk:
      return Chunk(format::ChunkRequest::parse(object));
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

KeyUse use_of(const Intent& intent) noexcept {
  if (const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent))
    return sigv4->is_asymmetric() ? KeyUse::sigv4a : KeyUse::sigv4;
  if (std::holds_alternative<Chunk>(intent) ||
      std::holds_alternative<format::S3PostRequest>(intent))
    return KeyUse::sigv4;
  if (std::holds_alternative<format::RolesAnywhereRequest>(intent)) return KeyUse::roles_anywhere;
  return std::holds_alternative<format::JwtRequest>(intent) ? KeyUse::jwt : KeyUse::digest;
}

Facts take_facts(Intent& intent) {
  return std::visit([](auto& request) { return request.take_facts(); }, intent);
}

std::chrono::seconds skew_of(const Intent& intent) {
  if (const auto* sigv4 = std::get_if<format::Sigv4Request>(&intent)) return sigv4->skew();
  if (const auto* post = std::get_if<format::S3PostRequest>(&intent)) return post->skew();
  if (const auto* session = std::get_if<format::RolesAnywhereRequest>(&intent))
    return session->skew();
  const auto* chunk = std::get_if<Chunk>(&intent);
  return chunk != nullptr && chunk->session() ? chunk->session()->skew : std::chrono::seconds{0};
}

std::optional<std::chrono::seconds> ttl_of(const Intent& intent) {
  const auto* jwt = std::get_if<format::JwtRequest>(&intent);
  return jwt == nullptr ? std::nullopt : std::optional(jwt->ttl());
}

void resume(Service& service, const Caller& caller, Intent& intent) {
  if (auto* chunk = std::get_if<Chunk>(&intent))
    chunk->resume(service.chunk_sessions.find(chunk->request().session, caller.account,
                                              service.clock.steady()));
}

bool is_lost(const Intent& intent) noexcept {
  const auto* chunk = std::get_if<Chunk>(&intent);
  return chunk != nullptr && chunk->session() == nullptr;
}

const KeyVersion* begun_with(const Intent& intent) noexcept {
  const auto* chunk = std::get_if<Chunk>(&intent);
  return chunk != nullptr && chunk->session() ? &chunk->session()->version : nullptr;
}

void settle(Intent& intent, const Key& key) {
  if (auto* jwt = std::get_if<format::JwtRequest>(&intent)) jwt->settle(key.type);
}

}  // namespace holdfast
