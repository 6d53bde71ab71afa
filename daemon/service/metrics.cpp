#include <fmt/format.h>
#include <sys/resource.h>

#include "daemon/identity/peer.h"
#include "daemon/service/admin.h"
#include "daemon/service/router.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;
using socket::Request;
using socket::Response;

// Prometheus' text exposition format, version 0.0.4. Every label value is a name of ours: an
// operation, a code, a configured device.
std::string metrics_text(const Service& service) {
  std::string text;
  const auto metric = [&](std::string_view name, std::string_view type, std::string_view help) {
    text += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  };
  metric("holdfast_requests_total", "counter",
         "Requests that were decided, recorded and answered.");
  for (const auto& [what, count] : service.answered)
    text += fmt::format("holdfast_requests_total{{operation=\"{}\",code=\"{}\"}} {}\n", what.first,
                        what.second, count);
  metric("holdfast_device_ready", "gauge", "1 if the device answers and may be used.");
  for (const auto& [name, device] : service.devices)
    text += fmt::format("holdfast_device_ready{{device=\"{}\"}} {}\n", name,
                        device->state() == device::State::ready ? 1 : 0);
  metric("holdfast_device_lockout_counter", "gauge",
         "Failed authorisations that the TPM counts; ours never add to it.");
  for (const auto& [name, device] : service.devices)
    text += fmt::format("holdfast_device_lockout_counter{{device=\"{}\"}} {}\n", name,
                        device->description().lockout_counter);
  metric("holdfast_device_verifies_all", "gauge",
         "1 if each signature of the device is verified before it leaves, 0 if some are.");
  for (const auto& [name, device] : service.devices)
    text += fmt::format("holdfast_device_verifies_all{{device=\"{}\"}} {}\n", name,
                        service.verification.of(name) == config::Verify::always ? 1 : 0);
  metric("holdfast_keys", "gauge", "Keys in the catalogue.");
  text += fmt::format("holdfast_keys {}\n", service.catalogue.all().size());
  metric("holdfast_policy_grants", "gauge", "Grants of the running policy.");
  text += fmt::format("holdfast_policy_grants {}\n", service.policy->size());
  metric("holdfast_policy_info", "gauge", "The running policy's digest.");
  text += fmt::format("holdfast_policy_info{{digest=\"{}\"}} 1\n", service.policy->digest());
  metric("holdfast_audit_records", "gauge", "Records in the log.");
  text += fmt::format("holdfast_audit_records {}\n", service.audit->size());
  metric("holdfast_audit_signed_records", "gauge",
         "Records that the last signed checkpoint covers; the others are the audit lag.");
  text += fmt::format("holdfast_audit_signed_records {}\n", service.checkpoints.signed_size());
  metric("holdfast_audit_counted_total", "counter",
         "Refusals that have no record of their own, because they were too many.");
  text += fmt::format("holdfast_audit_counted_total {}\n", service.denials.counted());
  metric("holdfast_audit_dropped_total", "counter",
         "Copies of records that the journal or syslog did not take.");
  text += fmt::format("holdfast_audit_dropped_total {}\n",
                      service.mirror ? service.mirror->dropped() : 0);
  metric("holdfast_audit_ok", "gauge", "1 if records can be written; nothing is signed otherwise.");
  text += fmt::format("holdfast_audit_ok {}\n", service.audit->failure().empty() ? 1 : 0);
  metric("holdfast_clock_trusted", "gauge",
         "0 while the clock is behind what it has shown; nothing is signed then.");
  text += fmt::format("holdfast_clock_trusted {}\n",
                      service.clock.behind() == std::chrono::seconds(0) ? 1 : 0);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  metric("process_cpu_seconds_total", "counter", "Processor time of the core.");
  text += fmt::format("process_cpu_seconds_total {:.3f}\n",
                      seconds(usage.ru_utime) + seconds(usage.ru_stime));
  metric("process_resident_memory_max_bytes", "gauge", "The most memory the core had resident.");
  text += fmt::format("process_resident_memory_max_bytes {}\n", usage.ru_maxrss * 1024);
  return text;
}

class Metrics final : public socket::Session {
 public:
  Metrics(Service& service, int fd) : service_(service), peer_(identity::Peer::of(fd)) {}

  awaitable<Response> handle(Request request, std::string request_id) override {
    if (request.path != "/metrics")
      throw Error(ErrorKind::not_found, "this socket has GET /metrics and nothing else");
    if (request.method != "GET") {
      co_return co_await answer_method_not_allowed(MethodNotAllowed("GET"), request_id);
    }
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = metrics_text(service_);
    co_return response;
  }

 private:
  Service& service_;
  identity::Peer peer_;
};

}  // namespace

std::unique_ptr<socket::Session> accept_metrics(Service& service, int fd) {
  return std::make_unique<Metrics>(service, fd);
}

}  // namespace holdfast
