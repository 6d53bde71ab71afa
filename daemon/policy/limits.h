// Token buckets, one a grant: the only state policy needs, kept apart from its decisions.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {

// Not thread-safe. Make a new one for each policy that is loaded; it starts full.
class Limiter {
 public:
  explicit Limiter(const Policy& policy);

  // Takes one from the grant's bucket; or, if it is empty, says how long until the next (≥ 1 s).
  std::optional<std::chrono::seconds> take(std::size_t grant, SteadyTime now);

 private:
  struct Bucket {
    double tokens = 0;
    SteadyTime filled{};
  };
  std::vector<std::optional<Rate>> rates_;
  std::vector<Bucket> buckets_;
};

}  // namespace holdfast::policy
