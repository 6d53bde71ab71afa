#include "daemon/service/checkpoints.h"

#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/audit/checkpoint.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/origin.h"
#include "daemon/service/recording.h"
#include "daemon/service/service.h"

namespace holdfast {
namespace {

using boost::asio::awaitable;

constexpr std::uint64_t kAccount = UINT64_MAX - 1;  // never a caller's
constexpr std::chrono::seconds kRetry{10};

std::string host_origin() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const std::string origin = std::string(host) + "/holdfast";
  return is_origin(origin) && host[0] != '\0' ? origin : "localhost/holdfast";
}

Catalogue::Entry signing_key(const Service& service) {
  const std::string& name = service.config.audit.signing_key;
  if (name.empty())
    throw Error(ErrorKind::conflict, "no checkpoints are signed: [audit] names no signing_key");
  const auto refuse = [&](const std::string& why) -> Error {
    return Error(ErrorKind::conflict, "key " + name + " " + why);
  };
  const Catalogue::Entry key = service.catalogue.find(name);
  if (!key)
    throw refuse("does not exist: `holdfast key create " + name + " --type ec-p256 --use audit`");
  if (!key->damage.empty()) throw refuse("is damaged");
  if (key->use != KeyUse::audit) throw refuse("is not for audit");
  const KeyVersion* version = key->active();
  if (key->disabled || version == nullptr || version->disabled)
    throw refuse("is disabled or has no active version");
  return key;
}

}  // namespace

device::Client& signing_device(Service& service) {
  return service.device(signing_key(service)->device);
}

void Checkpoints::resume(const audit::Checkpoint& newest) {
  signed_size_ = newest.state.size;
  signed_at_ = newest.time;
}

void Checkpoints::resume_anchor(const audit::Checkpoint& anchored) {
  anchor_.resume(anchored.state.size, anchored.time, *anchored.anchor);
}

awaitable<void> Checkpoints::look(Service& service, SteadyTime now, bool last) {
  if (service.config.audit.signing_key.empty()) co_return;
  boost::asio::steady_timer timer(service.loop);
  while (busy_) {
    timer.expires_after(std::chrono::milliseconds(10));
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  if (service.audit->size() <= signed_size_) {
    grown_since_.reset();
    co_return;
  }
  if (!grown_since_) grown_since_ = now;
  if (!last) {
    const auto waited = now - *grown_since_;
    if (waited < service.config.audit.checkpoint_every || now - tried_ < kRetry) co_return;
    const Catalogue::Entry key = service.catalogue.find(service.config.audit.signing_key);
    const auto device = key ? service.devices.find(key->device) : service.devices.end();
    if (device != service.devices.end() && !device->second->idle() && waited < kAtMost) co_return;
  }
  busy_ = true;
  std::string failure;
  try {
    co_await sign(service);
    grown_since_.reset();
  } catch (const std::exception& error) {
    tried_ = now;
    failure = error.what();
  }
  if (!failure.empty() && failure != failure_)
    log::error("checkpoint_not_signed", {{"why", failure}});
  failure_ = std::move(failure);
  busy_ = false;
}

awaitable<void> Checkpoints::sign(Service& service) {
  const Catalogue::Entry key = signing_key(service);
  const KeyVersion& version = *key->active();
  const std::string& origin = service.config.audit.origin;
  const SystemTime time = std::chrono::floor<std::chrono::seconds>(service.clock.now());
  device::Client& device = service.device(key->device);
  // Before it has described itself nobody knows whether it has a counter.
  if (device.state() != device::State::ready)
    throw Error(ErrorKind::device_unavailable, "device " + device.name() + ": " + device.reason());
  const std::optional<std::uint64_t> anchor =
      co_await anchor_.next(device, service.audit->size(), time);
  if (!anchor_.surprise().empty()) {
    log::warning("log_behind_anchor", {{"why", anchor_.surprise()}});
    audit::Record record = own_record(service, "audit.behind_anchor", "ok", anchor_.surprise());
    co_await service.audit->write(std::move(record));
    anchor_.surprise_is_recorded();
  }
  const audit::LogState state = co_await service.audit->durable_state();
  const audit::Checkpoint checkpoint{origin.empty() ? host_origin() : origin,
                                     state,
                                     time,
                                     service.policy->digest(),
                                     catalogue_digest(service),
                                     anchor};
  const std::string text = to_text(checkpoint);
  const Bytes digest = to_be_signed(Algorithm::es256, text);
  const Bytes signature = co_await device.sign(kAccount, version.object, Algorithm::es256, digest);
  if (!service.verifier.verifies(version.public_key, Algorithm::es256, digest, signature))
    throw Error(ErrorKind::device_unavailable,
                "the device gave a signature that its own public key refuses");
  std::string note =
      text + "\n" +
      audit::signature_line(checkpoint.origin, version.public_key, ecdsa_raw_to_der(signature));
  co_await service.audit->publish(state.size, std::move(note));
  signed_size_ = state.size;
  signed_at_ = time;
}

std::string Checkpoints::gap(SteadyTime now) const {
  if (!failure_.empty()) return "checkpoints are not signed: " + failure_;
  if (grown_since_ && now - *grown_since_ > kAtMost + kRetry)
    return "checkpoints are late: the signing key's device is busy";
  if (!anchor_.gap().empty()) return "checkpoints are not anchored: " + anchor_.gap();
  return {};
}

std::string catalogue_digest(const Service& service) {
  std::string all;
  for (const auto& [name, key] : service.catalogue.all())
    all += key->damage.empty() ? write_metadata(*key) : name + " is damaged\n";
  return sha256_hex(all);
}

}  // namespace holdfast
