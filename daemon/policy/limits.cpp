#include "daemon/policy/limits.h"

#include <algorithm>
#include <cmath>

namespace holdfast::policy {

// What rounding may take from a bucket that should be able to give.
constexpr double kRounding = 1e-6;

Limiter::Limiter(const Policy& policy) : buckets_(policy.size()) {
  for (std::size_t i = 0; i < policy.size(); ++i) {
    rates_.push_back(policy.rate(i));
    if (rates_.back()) buckets_[i].tokens = rates_.back()->burst;
  }
}

std::optional<std::chrono::seconds> Limiter::take(std::size_t grant, SteadyTime now) {
  const std::optional<Rate>& rate = rates_.at(grant);
  if (!rate) return std::nullopt;
  Bucket& bucket = buckets_[grant];
  const double passed = std::chrono::duration<double>(now - bucket.filled).count();
  if (passed > 0) {
    bucket.tokens = std::min<double>(rate->burst, bucket.tokens + passed * rate->per_second);
    bucket.filled = now;
  }
  if (bucket.tokens >= 1 - kRounding) {
    bucket.tokens = std::max(0.0, bucket.tokens - 1);
    return std::nullopt;
  }
  const double wait = std::ceil((1 - kRounding - bucket.tokens) / rate->per_second);
  return std::chrono::seconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(wait)));
}

}  // namespace holdfast::policy
