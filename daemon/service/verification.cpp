#include "daemon/service/verification.h"

#include "daemon/base/log.h"

namespace holdfast {

Verification::Verification(const std::vector<config::Device>& devices) {
  for (const config::Device& device : devices)
    if (device.verify == config::Verify::sampled) sampled_.try_emplace(device.name);
}

config::Verify Verification::of(const std::string& device) const {
  const auto at = sampled_.find(device);
  return at == sampled_.end() || at->second.all ? config::Verify::always : config::Verify::sampled;
}

bool Verification::is_due(const std::string& device, Algorithm algorithm, ByteView public_key) {
  // One faulty RSA signature gives the private key away (Boneh, DeMillo, Lipton 1997), and verifying costs a
  // third of P-256's.
  if (algorithm == Algorithm::rs256 || algorithm == Algorithm::ps256) return true;
  const auto at = sampled_.find(device);
  if (at == sampled_.end() || at->second.all) return true;
  const std::uint64_t number = ++at->second.signatures[std::string(as_text(public_key))];
  return number <= kFirst || number % kEach == 0;
}

void Verification::failed(const std::string& device) {
  const auto at = sampled_.find(device);
  log::error("signature_not_verified", {{"device", device}});
  if (at == sampled_.end() || at->second.all) return;
  at->second.all = true;
  log::warning("verifying_all", {{"device", device}, {"until", "it is opened anew"}});
}

void Verification::opened(const std::string& device) {
  const auto at = sampled_.find(device);
  if (at != sampled_.end()) at->second = {};
}

void Verification::forget(const std::string& device, ByteView public_key) {
  const auto at = sampled_.find(device);
  if (at != sampled_.end()) at->second.signatures.erase(std::string(as_text(public_key)));
}

}  // namespace holdfast
