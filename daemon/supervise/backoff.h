// When to start a process again that died. Pure.
#pragma once

#include <algorithm>
#include <chrono>

namespace holdfast::supervise {

class Backoff {
 public:
  using milliseconds = std::chrono::milliseconds;

  // How long to wait before the next start. The first is at once; then 50 ms, doubling to 2 s while
  // the process keeps dying within 5 s. One that got as far as ready works, whatever killed it: 50 ms
  // is then the most, so that service is back within a second however often it dies.
  milliseconds after(milliseconds lifetime, bool was_ready) {
    if (lifetime >= kLongLife) deaths_ = 0;
    if (was_ready) deaths_ = std::min(deaths_, 1);
    const int death = deaths_++;
    if (death == 0) return milliseconds{0};
    return std::min(kFirst * (1 << std::min(death - 1, 10)), kLast);
  }

 private:
  static constexpr milliseconds kLongLife{5000};
  static constexpr milliseconds kFirst{50};
  static constexpr milliseconds kLast{2000};
  int deaths_ = 0;
};

}  // namespace holdfast::supervise
