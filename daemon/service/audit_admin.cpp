#include "daemon/service/audit_admin.h"

#include <optional>
#include <vector>

#include "daemon/audit/lines.h"
#include "daemon/audit/prune.h"
#include "daemon/audit/reader.h"
#include "daemon/base/clock.h"
#include "daemon/base/error.h"
#include "daemon/service/checkpoints.h"
#include "daemon/service/documents.h"

namespace holdfast {

using boost::asio::awaitable;

awaitable<json::object> AuditAdmin::read(std::int64_t after, std::int64_t limit) {
  std::vector<json::object> records;
  co_await service_.audit->run(
      [&] { records = audit::read(folder(), after, static_cast<std::size_t>(limit)); });
  const audit::LogState state = co_await service_.audit->state();
  co_return json::object{{"records", json::array(records.begin(), records.end())},
                         {"size", state.size},
                         {"root", state.root}};
}

awaitable<json::object> AuditAdmin::anchor(std::uint64_t account) {
  device::Client& device = signing_device(service_);
  const AnchorState state = co_await device.read_anchor(account);
  if (!state.value)
    throw Error(ErrorKind::conflict,
                "the device's counter was not used yet: the first signed "
                "checkpoint does it");
  co_return json::object{{"device", device.name()}, {"value", *state.value}};
}

awaitable<json::object> AuditAdmin::prune(std::string_view body) {
  const json::object object = parse_json_object(body);
  Fields fields(object);
  audit::Age age;
  if (const auto seq = fields.optional_integer("before_seq", 0, INT64_MAX))
    age.before_seq = static_cast<std::uint64_t>(*seq);
  if (const auto text = fields.optional_text("before", 32)) {
    age.before_time = from_rfc3339(*text);
    if (!age.before_time) fields.fail("before", "has to be like 2026-01-01T00:00:00Z");
  }
  fields.finish();
  if (!age.before_seq && !age.before_time)
    throw Error(ErrorKind::invalid_request, "before_seq or before: is required");
  std::vector<std::uint64_t> segments;
  co_await service_.audit->run([&] {
    segments = audit::prunable(folder(), age);
    audit::prune(folder(), segments);
  });
  done_ = audit::describe(segments);
  co_return json::object{{"segments", json::array(segments.begin(), segments.end())},
                         {"records", segments.size() * audit::kSegmentLeaves}};
}

awaitable<json::object> AuditAdmin::request(std::string id) {
  const auto sequence = service_.recent.find(id);
  if (!sequence)
    throw Error(
        ErrorKind::not_found,
        "no such request among the last " + std::to_string(RecentRequests::kLimit) +
            " that have a record; malformed ones and those that were only counted are not kept");
  std::vector<json::object> records;
  co_await service_.audit->run(
      [&] { records = audit::read(folder(), static_cast<std::int64_t>(*sequence) - 1, 1); });
  if (records.empty()) throw Error(ErrorKind::not_found, "the record has been pruned");
  co_return request_document(id, records.front());
}

}  // namespace holdfast
