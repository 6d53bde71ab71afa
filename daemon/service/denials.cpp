#include "daemon/service/denials.h"

#include <utility>

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
  const What what = Denials::what(record);
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

audit::Record Denials::to_record(const Count& count) {
  audit::Record record = count.first;
  record.details.reason = "counted from " + to_rfc3339(record.time) + " to " +
                          to_rfc3339(count.last) + "; the first: " + record.details.reason;
  return record;
}

std::vector<Denials::Count> Denials::due(SteadyTime now) {
  std::erase_if(of_each_, [&](const auto& one) { return one.second.is_full(kOfOne, now); });
  std::vector<Count> counts;
  for (auto at = counts_.begin(); at != counts_.end();) {
    const auto count = at++;
    if (now - count->second.since >= kInterval)
      counts.push_back(std::move(counts_.extract(count).mapped()));
  }
  return counts;
}

std::vector<Denials::Count> Denials::all() {
  std::vector<Count> counts;
  for (auto& [what, count] : std::exchange(counts_, {})) counts.push_back(std::move(count));
  return counts;
}

void Denials::put_back(Count count, SteadyTime now) {
  const auto [at, is_new] = counts_.try_emplace(what(count.first));
  Count& kept = at->second;
  if (!is_new) {
    count.first.count += kept.first.count;
    count.last = kept.last;
  }
  count.since = now;
  kept = std::move(count);
}

}  // namespace holdfast
