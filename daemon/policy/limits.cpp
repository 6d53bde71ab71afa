#include "daemon/policy/limits.h"

#include <algorithm>
#include <cmath>

namespace holdfast::policy {
namespace {

using std::chrono::seconds;

// What rounding may take from a bucket that should be able to give.
constexpr double kRounding = 1e-6;
// How long a new caller waits at least where there is no room for it; nobody looks for room more often.
constexpr seconds kSweep{1};

Admission refused(std::string used_up, seconds wait) {
  Admission admission;
  admission.used_up = std::move(used_up);
  admission.wait = std::max(wait, seconds(1));
  return admission;
}

}  // namespace

Limiter::Limiter(const Policy& policy) {
  adopt(policy);
}

void Limiter::adopt(const Policy& policy) {
  std::unordered_map<std::string, OfGrant> former;
  for (OfGrant& grant : grants_) former.emplace(grant.name, std::move(grant));
  grants_.clear();
  callers_ = 0;
  for (std::size_t i = 0; i < policy.size(); ++i) {
    OfGrant grant{policy.grant_name(i), policy.limits(i), fresh(policy.limits(i).all), {}};
    const auto same = former.find(grant.name);
    if (same != former.end() && same->second.limits == grant.limits)
      grant = std::move(same->second);
    callers_ += grant.by_caller.size();
    grants_.push_back(std::move(grant));
  }
}

Limiter::Used Limiter::fresh(const Quota& quota) {
  Used used;
  if (quota.rate) used.tokens = quota.rate->burst;
  if (quota.concurrent) used.running = std::make_shared<std::uint32_t>(0);
  return used;
}

Admission Limiter::ask(const Quota& quota, Used& used, SteadyTime now, SystemTime today) {
  if (quota.rate) {
    const double passed = std::chrono::duration<double>(now - used.filled).count();
    if (passed > 0) {
      used.tokens =
          std::min<double>(quota.rate->burst, used.tokens + passed * quota.rate->per_second);
      used.filled = now;
    }
    if (used.tokens < 1 - kRounding) {
      const double wait = std::ceil((1 - kRounding - used.tokens) / quota.rate->per_second);
      return refused("rate", seconds(static_cast<std::int64_t>(wait)));
    }
  }
  const auto day = std::chrono::floor<std::chrono::days>(today);
  if (used.day != day) used.today = 0;
  used.day = day;
  if (quota.daily && used.today >= *quota.daily)
    return refused("daily limit", std::chrono::ceil<seconds>(day + std::chrono::days(1) - today));
  if (quota.concurrent && *used.running >= *quota.concurrent)
    return refused("limit of concurrent requests", seconds(1));
  return {};
}

Ticket Limiter::use(const Quota& quota, Used& used) {
  if (quota.rate) used.tokens = std::max(0.0, used.tokens - 1);
  if (quota.daily) ++used.today;
  return quota.concurrent ? Ticket(used.running) : Ticket();
}

Admission Limiter::take(std::size_t index, std::uint64_t account, SteadyTime now,
                        SystemTime today) {
  OfGrant& grant = grants_.at(index);
  return take(grant, grant.limits, account, now, today);
}

Admission Limiter::take_place(std::size_t index, std::uint64_t account, SteadyTime now,
                              SystemTime today) {
  OfGrant& grant = grants_.at(index);
  Limits places;
  places.all.concurrent = grant.limits.all.concurrent;
  places.per_caller.concurrent = grant.limits.per_caller.concurrent;
  return take(grant, places, account, now, today);
}

Admission Limiter::take(OfGrant& grant, const Limits& limits, std::uint64_t account, SteadyTime now,
                        SystemTime today) {
  if (!limits.all.is_bounded() && !limits.per_caller.is_bounded()) return {};
  Admission admission = ask(limits.all, grant.all, now, today);
  if (!admission.used_up.empty()) return admission;
  Used* own = nullptr;
  if (limits.per_caller.is_bounded()) {
    auto at = grant.by_caller.find(account);
    if (at == grant.by_caller.end()) {
      if (callers_ >= kMaxCallers && !make_room(now, today))
        return refused("room for callers whose limits are counted", kSweep);
      at = grant.by_caller.emplace(account, fresh(grant.limits.per_caller)).first;
      ++callers_;
    }
    own = &at->second;
    admission = ask(limits.per_caller, *own, now, today);
    if (!admission.used_up.empty()) {
      admission.used_up += " of this caller";
      return admission;
    }
    admission.of_caller = use(limits.per_caller, *own);
  }
  admission.of_all = use(limits.all, grant.all);
  return admission;
}

// Forgets those who have used up nothing, which is what a new one is.
bool Limiter::make_room(SteadyTime now, SystemTime today) {
  if (now - swept_ < kSweep) return false;
  swept_ = now;
  const auto day = std::chrono::floor<std::chrono::days>(today);
  for (OfGrant& grant : grants_) {
    const Quota& quota = grant.limits.per_caller;
    callers_ -= std::erase_if(grant.by_caller, [&](const auto& entry) {
      const Used& used = entry.second;
      const double passed = std::chrono::duration<double>(now - used.filled).count();
      const bool full =
          !quota.rate || used.tokens + passed * quota.rate->per_second >= quota.rate->burst;
      return full && (!quota.daily || used.day != day) && (!used.running || *used.running == 0);
    });
  }
  return callers_ < kMaxCallers;
}

}  // namespace holdfast::policy
