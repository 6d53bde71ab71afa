#include "daemon/service/denials.h"

namespace holdfast {

bool Denials::Bucket::is_full(Part part, SteadyTime now) const {
  return used <= part.per_second * std::chrono::duration<double>(now - at).count();
}

bool Denials::Bucket::take(Part part, SteadyTime now) {
  used = is_full(part, now)
             ? 0
             : used - part.per_second * std::chrono::duration<double>(now - at).count();
  at = now;
  if (used + 1 > part.burst) return false;
  ++used;
  return true;
}

bool Denials::in_full(const audit::Record& record, std::uint64_t account, bool scarce,
                      SteadyTime now) {
  if (!scarce && of_each_[account].take(kOfOne, now) && of_all_.take(kOfAll, now)) return true;
  const What what{record.uid, record.operation, record.key, record.code};
  if (counts_.size() >= kMostCounts && !counts_.contains(what)) return true;
  ++counted_;
  const auto [at, is_new] = counts_.try_emplace(what);
  Count& count = at->second;
  if (is_new) {
    count.first = record;
    count.first.details.facts = {};
    count.since = now;
  }
  count.last = record.time;
  ++count.first.count;
  return false;
}

audit::Record Denials::to_record(Count count) {
  audit::Record record = std::move(count.first);
  record.details.reason = "counted from " + to_rfc3339(record.time) + " to " +
                          to_rfc3339(count.last) + "; the first: " + record.details.reason;
  return record;
}

std::vector<audit::Record> Denials::due(SteadyTime now) {
  std::erase_if(of_each_, [&](const auto& one) { return one.second.is_full(kOfOne, now); });
  std::vector<audit::Record> records;
  for (auto at = counts_.begin(); at != counts_.end();) {
    const auto count = at++;
    if (now - count->second.since >= kInterval)
      records.push_back(to_record(std::move(counts_.extract(count).mapped())));
  }
  return records;
}

std::vector<audit::Record> Denials::all() {
  std::vector<audit::Record> records;
  for (auto& [what, count] : std::exchange(counts_, {}))
    records.push_back(to_record(std::move(count)));
  return records;
}

void Denials::put_back(audit::Record record, SteadyTime now) {
  const What what{record.uid, record.operation, record.key, record.code};
  const std::uint64_t before = record.count;
  const auto [at, is_new] = counts_.try_emplace(what);
  Count& count = at->second;
  if (is_new) {
    count.last = record.time;
    count.first = std::move(record);
    count.since = now;
  } else {
    count.first.count += before;
  }
}

}  // namespace holdfast
