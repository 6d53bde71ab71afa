#include "daemon/policy/past.h"

#include "daemon/base/error.h"
#include "daemon/config/table.h"
#include "daemon/policy/accounts.h"

namespace holdfast::policy {
namespace {

constexpr std::size_t kMaxText = 1 << 16;
constexpr std::int64_t kMaxSeconds = 1'000'000'000'000;

Caller read_caller(const json::object& object) {
  Fields fields(object, "caller");
  Caller caller;
  const auto uid = fields.optional_integer("uid", 0, UINT32_MAX - 1);
  if (!uid) fields.fail("uid", "is required");
  caller.uid = static_cast<uid_t>(*uid);
  caller.gid =
      static_cast<gid_t>(fields.optional_integer("gid", 0, UINT32_MAX).value_or(UINT32_MAX));
  for (const auto& [name, value] : {std::pair{"user", &caller.user},
                                    {"unit", &caller.unit},
                                    {"user_unit", &caller.user_unit},
                                    {"exe", &caller.exe},
                                    {"exe_sha256", &caller.exe_sha256},
                                    {"label", &caller.label},
                                    {"container", &caller.container},
                                    {"pod", &caller.pod},
                                    {"security_label", &caller.security_label}})
    *value = fields.optional_text(name, kMaxText).value_or("");
  caller.nested = fields.optional_bool("nested").value_or(false);
  // The record may be another machine's.
  if (const auto account = account_of(caller.uid); account && account->user == caller.user)
    caller.groups = groups_of(*account);
  return caller;
}

Facts read_facts(const json::object& object, const Fields& fields) {
  Facts facts;
  const json::value* list = object.if_contains("facts");
  if (list == nullptr || !list->is_array()) fields.fail("facts", "has to be a list of pairs");
  for (const json::value& fact : list->get_array()) {
    if (!fact.is_array() || fact.get_array().size() != 2 || !fact.get_array()[0].is_string() ||
        !fact.get_array()[1].is_string())
      fields.fail("facts", "has to be a list of pairs of strings");
    facts.add(std::string(fact.get_array()[0].get_string()),
              std::string(fact.get_array()[1].get_string()));
  }
  return facts;
}

}  // namespace

Question PastRequest::question() const {
  // Without the fraction of the second, which no window has.
  const auto now = from_rfc3339(time.substr(0, 19) + "Z");
  return {caller,
          key,
          facts,
          std::chrono::seconds(skew),
          ttl ? std::optional(std::chrono::seconds(*ttl)) : std::nullopt,
          now.value_or(SystemTime())};
}

PastRequest read_past_request(const json::object& document) {
  const json::value* details = document.if_contains("details");
  const json::object& judged =
      details != nullptr && details->is_object() ? details->get_object() : document;
  Fields outer(document), inner(judged);
  PastRequest past;
  past.decision = outer.text("decision", kMaxText);
  past.code = outer.optional_text("code", kMaxText).value_or("");
  past.time = outer.optional_text("time", kMaxText).value_or("");
  past.operation = outer.optional_text("operation", kMaxText).value_or("");
  past.policy_digest = outer.optional_text("policy_digest", kMaxText).value_or("");
  past.key = outer.text("key", kMaxText);
  if (!config::is_name(past.key)) outer.fail("key", "is no name that a key can have");
  past.id = inner.text("request_id", kMaxText);
  past.reason = inner.optional_text("reason", kMaxText).value_or("");
  past.grant = inner.optional_text("grant", kMaxText).value_or("");
  past.facts_cut = inner.has("facts_cut");
  past.skew = inner.optional_integer("skew_seconds", 0, kMaxSeconds).value_or(0);
  past.ttl = inner.optional_integer("ttl_seconds", 0, kMaxSeconds);
  const json::value* caller = judged.if_contains("caller");
  if (caller == nullptr || !caller->is_object()) inner.fail("caller", "has to be an object");
  past.caller = read_caller(caller->get_object());
  past.facts = read_facts(judged, inner);
  return past;
}

}  // namespace holdfast::policy
