#include "daemon/serve.h"

#include "daemon/base/log.h"

namespace holdfast {
namespace {

// What an application may not tell from a grant it lacks: a key that is not there, or of another
// use.
constexpr const char* kNotPermitted = "no grant allows this, or there is no such key";

[[noreturn]] void deny(audit::Record& record, std::string reason) {
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

}  // namespace

boost::asio::awaitable<socket::Response> serve(Service& service, const Caller& caller,
                                               Operation operation, socket::Request request,
                                               std::string request_id) {
  // format: JSON -> intent. Malformed is no decision, so it leaves no record.
  const Intent intent = read_intent(operation, request.body_text(), service.clock.now());

  audit::Record record;
  record.time = service.clock.now();
  record.operation = name_of(operation);
  record.key = key_of(intent);
  record.uid = caller.uid;
  record.policy_digest = service.policy->digest();
  record.details.facts = facts_of(intent);
  record.details.skew = skew_of(intent);
  record.details.caller = caller;
  record.details.request_id = request_id;

  socket::Response response;
  json::object reply;
  std::optional<std::chrono::seconds> retry_after;
  try {
    // policy: caller, key and facts -> decision. The policy may be replaced while the device works.
    const std::shared_ptr<const policy::Policy> rules = service.policy;
    const policy::Decision decision =
        rules->decide({caller, record.key, record.details.facts, record.details.skew});
    if (!decision.allowed) deny(record, decision.reason);
    record.details.grant = rules->grant_name(decision.grant);
    const Catalogue::Entry key = service.catalogue.find(record.key);
    const KeyVersion& version = signing_version(key, operation, record);
    if (const auto wait = service.limiter.take(decision.grant, service.clock.steady())) {
      record.details.reason = "the grant's rate is used up";
      retry_after = *wait;
      throw Error(ErrorKind::limit_exceeded,
                  "the grant's rate is used up; wait as Retry-After says");
    }
    record.allowed = true;

    // format, device, format: the very object that was judged -> bytes -> signature -> reply.
    Signed result = co_await sign(service, caller.uid, intent, *key, version);
    record.code = "ok";
    record.signed_digest = to_hex(result.signed_digest);
    record.signature_digest = to_hex(result.signature_digest);
    reply = std::move(result.reply);
  } catch (const Error& error) {
    record.code = to_string(error.kind());
    if (record.details.reason.empty()) record.details.reason = error.what();
    if (error.kind() == ErrorKind::internal)
      log::error("internal", {{"request", request_id}, {"what", error.what()}});
    response = socket::problem(error, request_id, retry_after);
  }

  // audit: the record before the reply. No record, no signature.
  auto& answered = service.answered[{record.operation, record.code}];
  const std::uint64_t sequence = co_await service.audit->write(std::move(record));
  ++answered;
  service.recent.add(std::move(request_id), sequence);
  if (!reply.empty()) {
    reply["audit_seq"] = sequence;
    response.body = json::serialize(reply);
  }
  co_return response;
}

}  // namespace holdfast
