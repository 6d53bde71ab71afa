#include "daemon/serve.h"

#include <algorithm>

#include "daemon/base/log.h"
#include "daemon/service/recording.h"

namespace holdfast {
namespace {

// What an application may not tell from a grant it lacks: a key that is not there, or of another
// use.
constexpr const char* kNotPermitted = "no grant allows this, or there is no such key";

// Another's looks like none.
constexpr const char* kNoSession =
    "there is no such session: it is complete, too old, gave way to newer ones, or never was";

[[noreturn]] void deny(audit::Record& record, std::string reason,
                       const char* told = kNotPermitted) {
  record.allowed = false;
  record.details.reason = std::move(reason);
  throw Error(ErrorKind::not_permitted, told);
}

// May what `used` signed be given out? Another version may be the active one by now.
bool still_signs(const Catalogue::Entry& key, const KeyVersion& used) {
  if (!key || key->disabled) return false;
  const auto at = std::ranges::find(key->versions, used.number, &KeyVersion::number);
  return at != key->versions.end() && at->object == used.object && !at->disabled &&
         at->state != VersionState::retired;
}

// The version that signs, or a refusal.
const KeyVersion& signing_version(const Catalogue::Entry& key, const Intent& intent,
                                  audit::Record& record) {
  if (!key) deny(record, "there is no such key");
  if (!key->damage.empty())
    throw Error(ErrorKind::key_lost, "the key's files are damaged; see docs/recovery.md");
  if (key->use != use_of(intent))
    deny(record, "the key is for " + std::string(to_string(key->use)) + " alone");
  if (key->disabled) deny(record, "the key is disabled");
  if (const KeyVersion* begun = begun_with(intent)) {
    record.version = begun->number;
    if (!still_signs(key, *begun)) deny(record, "the version that began it was stopped");
    return *begun;
  }
  const KeyVersion* version = key->active();
  if (version == nullptr) deny(record, "the key has no active version");
  if (version->disabled) deny(record, "the key's active version is disabled");
  record.version = version->number;
  return *version;
}

}  // namespace

boost::asio::awaitable<socket::Response> serve(Service& service, const Caller& caller,
                                               Operation operation, socket::Request request,
                                               std::string request_id) {
  // format: JSON -> intent. Malformed is no decision, so it leaves no record.
  Intent intent = read_intent(operation, request.body_text(), service.clock.now());
  resume(service, caller, intent);
  const Catalogue::Entry key = service.catalogue.find(key_of(intent));
  if (key) settle(intent, *key);

  audit::Record record = record_of(service, caller, name_of(operation), key_of(intent), request_id);
  record.details.facts = take_facts(intent);
  record.details.skew = skew_of(intent);
  record.details.ttl = ttl_of(intent);

  Signed result;
  std::optional<Error> refusal;
  std::optional<std::chrono::seconds> retry_after;
  try {
    if (is_lost(intent)) deny(record, "there is no such session of this caller", kNoSession);
    // policy: caller, key and facts -> decision.
    const std::shared_ptr<const policy::Policy> rules = service.policy;
    const policy::Question question{
        caller,     record.key, record.details.facts, record.details.skew, record.details.ttl,
        record.time};
    const policy::Decision decision = rules->decide(question);
    if (decision.denied) record.details.grant = rules->grant_name(decision.grant);
    if (!decision.allowed) deny(record, decision.reason);
    record.allowed = true;
    record.details.grant = rules->grant_name(decision.grant);
    service.clock.require();
    const KeyVersion& version = signing_version(key, intent, record);
    // What goes on with a request was counted with it.
    const policy::Admission admission =
        begun_with(intent) ? service.limiter.take_place(decision.grant, caller.account,
                                                        service.clock.steady(), record.time)
                           : service.limiter.take(decision.grant, caller.account,
                                                  service.clock.steady(), record.time);
    if (!admission.used_up.empty()) {
      record.allowed = false;
      record.details.reason = "the grant's " + admission.used_up + " is used up";
      retry_after = admission.wait;
      throw Error(ErrorKind::limit_exceeded, record.details.reason + "; wait as Retry-After says");
    }

    // format, device, format: the very object that was judged -> bytes -> signature -> reply.
    const Forced forced = rules->forced(decision.grant, caller);
    result = co_await sign(service, caller.account, intent, *key, version, forced);

    // While the device worked the key may have been stopped, or the grant withdrawn.
    if (!still_signs(service.catalogue.find(record.key), version))
      deny(record, "the key was disabled, retired or deleted while the request waited");
    if (service.policy != rules) {
      record.policy_digest = service.policy->digest();
      const policy::Decision now = service.policy->decide(question);
      record.details.grant = now.denied ? service.policy->grant_name(now.grant) : "";
      if (!now.allowed) deny(record, now.reason);
      if (service.policy->forced(now.grant, caller) != forced)
        deny(record, "what the grant forces was changed while the request waited");
      record.details.grant = service.policy->grant_name(now.grant);
    }
    record.code = "ok";
    record.signed_digest = to_hex(result.signed_digest);
    record.signature_digest = to_hex(result.signature_digest);
    record.details.jti = std::move(result.jti);
  } catch (const Error& error) {
    record.code = to_string(error.kind());
    if (record.details.reason.empty()) record.details.reason = error.what();
    // Not of a key that was deleted or replaced meanwhile: the mark would be another's.
    if (error.kind() == ErrorKind::key_lost && record.version != 0 &&
        service.catalogue.find(record.key) == key)
      service.lost.add(record.key, record.version);
    if (error.kind() == ErrorKind::internal)
      log::error("internal", {{"request", request_id}, {"what", error.what()}});
    refusal = error;
  }

  // audit: the record before the reply. No record, no signature.
  const auto sequence = co_await put_on_record(service, std::move(record),
                                               to_string(use_of(intent)), refusal.has_value(), key);
  if (refusal) co_return socket::problem(*refusal, request_id, retry_after, sequence);
  if (result.recorded) result.recorded(*sequence, result.reply);
  result.reply["audit_seq"] = *sequence;
  socket::Response response;
  response.body = json::serialize(result.reply);
  co_return response;
}

}  // namespace holdfast
