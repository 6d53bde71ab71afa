#include "daemon/metrics/metrics.h"

#include <algorithm>

#include <prometheus/text_serializer.h>

namespace holdfast {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

// Seconds, 10 µs to 10 s: a MAC in the core's memory to a chip's RSA signature behind a queue.
const prometheus::Histogram::BucketBoundaries kSeconds{
    10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3,
    25e-3, 50e-3, 0.1,   0.25,   0.5,    1,      2.5,  5,      10};

double seconds(DeviceTimes::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

void DeviceTimes::add(Duration waited, Duration worked) {
  queue_.Observe(seconds(waited));
  execution_.Observe(seconds(worked));
}

void Snapshot::gauges(std::string name, std::string help) {
  families_.push_back({std::move(name), std::move(help), MetricType::Gauge, {}});
}

void Snapshot::gauge(std::string name, std::string help, double value) {
  gauges(std::move(name), std::move(help));
  this->value({}, value);
}

void Snapshot::counter(std::string name, std::string help, double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  families_.push_back({std::move(name), std::move(help), MetricType::Counter, {metric}});
}

void Snapshot::value(Labels labels, double value) {
  prometheus::ClientMetric metric;
  for (auto& [name, text] : labels) metric.label.push_back({std::move(name), std::move(text)});
  metric.gauge.value = value;
  families_.back().metric.push_back(std::move(metric));
}

Metrics::Metrics()
    : requests_(prometheus::BuildCounter()
                    .Name("holdfast_requests_total")
                    .Help("Requests that were decided, recorded and answered.")
                    .Register(registry_)),
      queue_(prometheus::BuildHistogram()
                 .Name("holdfast_device_queue_seconds")
                 .Help("How long commands waited for their device.")
                 .Register(registry_)),
      execution_(prometheus::BuildHistogram()
                     .Name("holdfast_device_execution_seconds")
                     .Help("How long the device was at them.")
                     .Register(registry_)) {}

void Metrics::answered(std::string_view operation, std::string_view format, bool allowed,
                       std::string_view code) {
  const auto known = answered_.find(std::tuple(operation, allowed, code));
  if (known != answered_.end()) return known->second->Increment();
  prometheus::Counter& counter = requests_.Add({{"operation", std::string(operation)},
                                                {"format", std::string(format)},
                                                {"decision", allowed ? "allowed" : "denied"},
                                                {"code", std::string(code)}});
  counter.Increment();
  answered_.emplace(Answered(operation, allowed, code), &counter);
}

DeviceTimes& Metrics::device(const std::string& name) {
  const auto known = devices_.find(name);
  if (known != devices_.end()) return known->second;
  const prometheus::Labels labels{{"device", name}};
  return devices_
      .emplace(name, DeviceTimes(queue_.Add(labels, kSeconds), execution_.Add(labels, kSeconds)))
      .first->second;
}

std::string Metrics::text(Snapshot now) const {
  std::vector<MetricFamily> families = registry_.Collect();
  std::move(now.families_.begin(), now.families_.end(), std::back_inserter(families));
  std::ranges::sort(families, {}, &MetricFamily::name);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace holdfast
