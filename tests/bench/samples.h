// What one measurement gives: latencies, and how they are printed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::bench {

using Clock = std::chrono::steady_clock;

struct Samples {
  std::vector<std::uint32_t> nanoseconds;         // one a round trip
  std::vector<std::uint64_t> of_each_connection;  // round trips
  double seconds = 0;
  double processor_seconds = 0;  // of those who measured, where they counted it

  void add(Clock::duration time) {
    nanoseconds.push_back(static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(time).count()));
  }
};

// {"count","rate","p50_us","p99_us","slowest_share"}; the last is the least busy connection's share of
// the mean. Where it was counted also "own_cpu_us", for one round trip.
std::string to_json(Samples samples);

// Keeps the calling process on one processor; -1 leaves it where it is.
void pin(int processor);

}  // namespace holdfast::bench
