#include <sys/resource.h>

#include <algorithm>

#include "daemon/identity/peer.h"
#include "daemon/service/admin.h"
#include "daemon/service/router.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;
using socket::Request;
using socket::Response;

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void add_devices(const Service& service, Snapshot& now) {
  const auto each = [&](std::string name, std::string help, auto value) {
    now.gauges(std::move(name), std::move(help));
    for (const auto& [device, client] : service.devices)
      now.value({{"device", device}}, static_cast<double>(value(device, *client)));
  };
  each("holdfast_device_ready", "1 if the device answers and may be used.",
       [](const std::string&, const device::Client& device) {
         return device.state() == device::State::ready;
       });
  each("holdfast_device_lockout_counter",
       "Failed authorisations that the TPM counts; ours never add to it.",
       [](const std::string&, const device::Client& device) {
         return device.description().lockout_counter;
       });
  each("holdfast_device_verifies_all",
       "1 if each signature of the device is verified before it leaves, 0 if some are.",
       [&](const std::string& name, const device::Client&) {
         return service.verification.of(name) == config::Verify::always;
       });
}

void add_audit(const Service& service, Snapshot& now) {
  const std::uint64_t records = service.audit->size();
  now.gauge("holdfast_audit_records", "Records in the log.", static_cast<double>(records));
  now.gauge("holdfast_audit_unsigned_records",
            "Records that no signed checkpoint covers yet; all, where none are signed.",
            static_cast<double>(records - std::min(records, service.checkpoints.signed_size())));
  now.gauges("holdfast_audit_checkpoint_age_seconds",
             "Since the last checkpoint was signed; no value where none was.");
  if (const auto signed_at = service.checkpoints.signed_at())
    now.value({}, std::chrono::duration<double>(service.system_clock.now() - *signed_at).count());
  now.counter("holdfast_audit_counted_total",
              "Refusals that have no record of their own, because they were too many.",
              static_cast<double>(service.denials.counted()));
  now.counter("holdfast_audit_dropped_total",
              "Copies of records that the journal or syslog did not take.",
              static_cast<double>(service.mirror ? service.mirror->dropped() : 0));
  now.gauge("holdfast_audit_ok", "1 if records can be written; nothing is signed otherwise.",
            service.audit->failure().empty() ? 1 : 0);
}

void add_certificates(const Service& service, Snapshot& now) {
  now.gauges(
      "holdfast_certificate_expiry_timestamp_seconds",
      "When a key version's certificates stop being valid, in Unix time; none of retired ones.");
  for (const auto& [name, key] : service.catalogue.all())
    for (const KeyVersion& version : key->versions)
      if (version.certificate && version.state != VersionState::retired)
        now.value({{"key", name}, {"version", std::to_string(version.number)}},
                  static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(
                                          version.certificate->not_after.time_since_epoch())
                                          .count()));
}

void add_process(Snapshot& now) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  now.counter("process_cpu_seconds_total", "Processor time of the core.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
  now.gauge("process_resident_memory_max_bytes", "The most memory the core had resident.",
            static_cast<double>(usage.ru_maxrss) * 1024);
}

std::string metrics_text(const Service& service) {
  Snapshot now;
  add_devices(service, now);
  add_audit(service, now);
  now.gauges("holdfast_open_connections", "Connections that are open, by socket.");
  for (const auto& [socket, count] : service.connections())
    now.value({{"socket", socket}}, static_cast<double>(count));
  add_certificates(service, now);
  now.gauge("holdfast_keys", "Keys in the catalogue.",
            static_cast<double>(service.catalogue.all().size()));
  now.gauge("holdfast_policy_grants", "Grants of the running policy.",
            static_cast<double>(service.policy->size()));
  now.gauges("holdfast_policy_info", "The running policy's digest.");
  now.value({{"digest", service.policy->digest()}}, 1);
  now.gauge("holdfast_clock_trusted",
            "0 while the clock is behind what it has shown; nothing is signed then.",
            service.clock.behind() == std::chrono::seconds(0) ? 1 : 0);
  add_process(now);
  return service.metrics.text(std::move(now));
}

class MetricsSession final : public socket::Session {
 public:
  MetricsSession(Service& service, int fd) : service_(service), peer_(identity::Peer::of(fd)) {}

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
  return std::make_unique<MetricsSession>(service, fd);
}

}  // namespace holdfast
