#include "daemon/serve.h"

#include <algorithm>

#include "daemon/base/log.h"

namespace holdfast {
namespace {

// What an application may not tell from a grant it lacks: a key that is not there, or of another
// use.
constexpr const char* kNotPermitted = "no grant allows this, or there is no such key";

[[noreturn]] void deny(audit::Record& record, std::string reason) {
  record.allowed = false;
  record.details.reason = std::move(reason);
  throw Error(ErrorKind::not_permitted, kNotPermitted);
}

// The version that signs, or a refusal.
const KeyVersion& signing_version(const Catalogue::Entry& key, Operation operation,
                                  audit::Record& record) {
  if (!key) deny(record, "there is no such key");
  if (!key->damage.empty())
    throw Error(ErrorKind::key_lost, "the key's files are damaged; see docs/recovery.md");
  if (key->use != use_of(operation))
    deny(record, "the key is for " + std::string(to_string(key->use)) + " alone");
  if (key->disabled) deny(record, "the key is disabled");
  const KeyVersion* version = key->active();
  if (version == nullptr) deny(record, "the key has no active version");
  if (version->disabled) deny(record, "the key's active version is disabled");
  record.version = version->number;
  return *version;
}

// May what `used` signed be given out? Another version may be the active one by now.
bool still_signs(const Catalogue::Entry& key, const KeyVersion& used) {
  if (!key || key->disabled) return false;
  const auto at = std::ranges::find(key->versions, used.number, &KeyVersion::number);
  return at != key->versions.end() && at->object == used.object && !at->disabled &&
         at->state != VersionState::retired;
}

}  // namespace

boost::asio::awaitable<socket::Response> serve(Service& service, const Caller& caller,
                                               Operation operation, socket::Request request,
                                               std::string request_id) {
  // format: JSON -> intent. Malformed is no decision, so it leaves no record.
  Intent intent = read_intent(operation, request.body_text(), service.clock.now());
  const Catalogue::Entry key = service.catalogue.find(key_of(intent));
  if (key) settle(intent, *key);

  audit::Record record;
  record.time = service.clock.now();
  record.operation = name_of(operation);
  record.key = key_of(intent);
  record.uid = caller.uid;
  record.policy_digest = service.policy->digest();
  record.details.facts = take_facts(intent);
  record.details.skew = skew_of(intent);
  record.details.ttl = ttl_of(intent);
  record.details.caller = caller;
  record.details.request_id = request_id;

  socket::Response response;
  json::object reply;
  std::optional<std::chrono::seconds> retry_after;
  try {
    // policy: caller, key and facts -> decision.
    const std::shared_ptr<const policy::Policy> rules = service.policy;
    const policy::Question question{caller, record.key, record.details.facts, record.details.skew,
                                    record.details.ttl};
    const policy::Decision decision = rules->decide(question);
    if (!decision.allowed) deny(record, decision.reason);
    record.allowed = true;
    record.details.grant = rules->grant_name(decision.grant);
    service.clock.require();
    const KeyVersion& version = signing_version(key, operation, record);
    if (const auto wait = service.limiter.take(decision.grant, service.clock.steady())) {
      record.allowed = false;
      record.details.reason = "the grant's rate is used up";
      retry_after = *wait;
      throw Error(ErrorKind::limit_exceeded,
                  "the grant's rate is used up; wait as Retry-After says");
    }

    // format, device, format: the very object that was judged -> bytes -> signature -> reply.
    const Forced forced = rules->forced(decision.grant, caller);
    Signed result = co_await sign(service, caller.account, intent, *key, version, forced);

    // While the device worked the key may have been stopped, or the grant withdrawn.
    if (!still_signs(service.catalogue.find(record.key), version))
      deny(record, "the key was disabled, retired or deleted while the request waited");
    if (service.policy != rules) {
      record.policy_digest = service.policy->digest();
      const policy::Decision now = service.policy->decide(question);
      if (!now.allowed) deny(record, now.reason);
      if (service.policy->forced(now.grant, caller) != forced)
        deny(record, "what the grant forces was changed while the request waited");
      record.details.grant = service.policy->grant_name(now.grant);
    }
    record.code = "ok";
    record.signed_digest = to_hex(result.signed_digest);
    record.signature_digest = to_hex(result.signature_digest);
    record.details.jti = std::move(result.jti);
    reply = std::move(result.reply);
  } catch (const Error& error) {
    record.code = to_string(error.kind());
    if (record.details.reason.empty()) record.details.reason = error.what();
    // Not of a key that was deleted or replaced meanwhile: the mark would be another's.
    if (error.kind() == ErrorKind::key_lost && record.version != 0 &&
        service.catalogue.find(record.key) == key)
      service.lost.add(record.key, record.version);
    if (error.kind() == ErrorKind::internal)
      log::error("internal", {{"request", request_id}, {"what", error.what()}});
    response = socket::problem(error, request_id, retry_after);
  }

  // audit: the record before the reply. No record, no signature.
  const bool allowed = record.allowed;
  const std::string code = record.code;
  const std::uint64_t sequence = co_await service.audit->write(std::move(record));
  service.metrics.answered(name_of(operation), to_string(use_of(operation)), allowed, code);
  service.recent.add(request_id, sequence);
  if (!reply.empty()) {
    reply["audit_seq"] = sequence;
    response.body = json::serialize(reply);
  }
  co_return response;
}

}  // namespace holdfast
