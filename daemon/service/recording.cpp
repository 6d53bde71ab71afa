#include "daemon/service/recording.h"

#include <unistd.h>

#include <utility>

namespace holdfast {
namespace {

// In a flood of refusals only a part gets records of their own. Names of keys that don't exist are the caller's
// invention, without end, and count as one.
bool is_counted(Service& service, const audit::Record& record, const Catalogue::Entry& key) {
  const bool scarce = service.audit->is_scarce();
  const auto now = service.clock.steady();
  const std::uint64_t account = record.details.caller.account;
  if (key) return !service.denials.in_full(record, account, scarce, now);
  audit::Record nameless = record;
  nameless.key.clear();
  return !service.denials.in_full(nameless, account, scarce, now);
}

}  // namespace

audit::Record record_of(Service& service, const Caller& caller, std::string_view operation,
                        std::string key, const std::string& request_id) {
  audit::Record record;
  record.time = service.clock.now();
  record.operation = operation;
  record.key = std::move(key);
  record.uid = caller.uid;
  record.policy_digest = service.policy->digest();
  record.details.caller = caller;
  record.details.request_id = request_id;
  return record;
}

audit::Record own_record(Service& service, std::string operation, std::string code,
                         std::string reason) {
  Caller self;
  self.pid = ::getpid();
  self.uid = ::geteuid();
  audit::Record record = record_of(service, self, operation, {}, {});
  record.allowed = true;
  record.code = std::move(code);
  record.details.reason = std::move(reason);
  return record;
}

boost::asio::awaitable<std::optional<std::uint64_t>> put_on_record(Service& service,
                                                                   audit::Record record,
                                                                   std::string_view format,
                                                                   bool is_refusal,
                                                                   const Catalogue::Entry& key) {
  const std::string operation = record.operation, code = record.code;
  const bool allowed = record.allowed;
  std::optional<std::uint64_t> sequence;
  if (!is_refusal || !is_counted(service, record, key)) {
    const std::string request_id = record.details.request_id;
    sequence = co_await service.audit->write(std::move(record));
    service.recent.add(request_id, *sequence);
  }
  service.metrics.answered(operation, format, allowed, code);
  co_return sequence;
}

}  // namespace holdfast
