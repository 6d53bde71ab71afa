#include "tests/bench/samples.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <stdexcept>

namespace holdfast::bench {
namespace {

double microseconds_at(std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto at = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return sorted[at] / 1000.0;
}

}  // namespace

std::string to_json(Samples samples) {
  auto& all = samples.nanoseconds;
  std::ranges::sort(all);
  const auto& each = samples.of_each_connection;
  double slowest = 1;
  if (!each.empty()) {
    const double mean = static_cast<double>(std::accumulate(each.begin(), each.end(), 0ULL)) /
                        static_cast<double>(each.size());
    slowest = mean > 0 ? static_cast<double>(*std::ranges::min_element(each)) / mean : 0;
  }
  char text[256];
  std::snprintf(text, sizeof(text),
                R"({"count":%zu,"rate":%.1f,"p50_us":%.2f,"p99_us":%.2f,"slowest_share":%.3f})",
                all.size(), static_cast<double>(all.size()) / samples.seconds,
                microseconds_at(all, 0.5), microseconds_at(all, 0.99), slowest);
  std::string json = text;
  if (samples.processor_seconds > 0 && !all.empty()) {
    const double per_trip = samples.processor_seconds / static_cast<double>(all.size());
    std::snprintf(text, sizeof(text), R"(,"own_cpu_us":%.1f})", per_trip * 1e6);
    json.replace(json.size() - 1, 1, text);
  }
  return json;
}

void pin(int processor) {
  if (processor < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0)
    throw std::runtime_error("there is no processor " + std::to_string(processor));
}

}  // namespace holdfast::bench
