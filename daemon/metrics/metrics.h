// What is counted while requests are answered, and the Prometheus text of it (text exposition format 0.0.4).
// docs/metrics.md names each metric.
//
// Every label's value is a name of ours (an operation, a code, a configured device), so that no caller can make
// series. For one thread.
#pragma once

#include <chrono>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace holdfast {

// Of one device's commands.
class DeviceTimes {
 public:
  using Duration = std::chrono::steady_clock::duration;

  DeviceTimes(prometheus::Histogram& queue, prometheus::Histogram& execution)
      : queue_(queue), execution_(execution) {}
  void add(Duration waited, Duration worked);

 private:
  prometheus::Histogram& queue_;
  prometheus::Histogram& execution_;
};

// What is true when the text is made, and not counted before: gauges, mostly.
class Snapshot {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // One metric without labels, or the next of the metric that was added last.
  void gauge(std::string name, std::string help, double value);
  void counter(std::string name, std::string help, double value);
  // A metric whose values follow, perhaps none.
  void gauges(std::string name, std::string help);
  void value(Labels labels, double value);

 private:
  friend class Metrics;
  std::vector<prometheus::MetricFamily> families_;
};

class Metrics {
 public:
  Metrics();

  // A request that was decided, recorded and answered; `format` is empty where nothing was to be signed.
  void answered(std::string_view operation, std::string_view format, bool allowed,
                std::string_view code);

  // The same one for the same name, for as long as this lives.
  DeviceTimes& device(const std::string& name);

  std::string text(Snapshot now) const;

 private:
  using Answered = std::tuple<std::string, bool, std::string>;

  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& queue_;
  prometheus::Family<prometheus::Histogram>& execution_;
  // Looked up by labels once: that costs more than the counting.
  std::map<Answered, prometheus::Counter*, std::less<>> answered_;
  std::map<std::string, DeviceTimes> devices_;
};

}  // namespace holdfast
