#include "daemon/service/documents.h"

#include <unistd.h>

#include "daemon/base/openssl.h"
#include "daemon/base/protection.h"
#include "daemon/identity/peer.h"
#include "daemon/key/jwk.h"

namespace holdfast {
namespace {

json::object certificate_entry(const Certificate& certificate) {
  return {{"subject", certificate.subject},
          {"issuer", certificate.issuer},
          {"serial", certificate.serial},
          {"not_before", to_rfc3339(certificate.not_before)},
          {"not_after", to_rfc3339(certificate.not_after)},
          {"sha256", to_hex(sha256(certificate.chain.front()))}};
}

json::object version_entry(const KeyVersion& version, bool lost, bool public_keys) {
  json::object entry{{"version", version.number},
                     {"kid", version.kid},
                     {"state", to_string(version.state)},
                     {"disabled", version.disabled},
                     {"created", to_rfc3339(version.created)},
                     {"since", to_rfc3339(version.since)}};
  if (lost) entry["lost"] = true;
  if (version.certificate) entry["certificate"] = certificate_entry(*version.certificate);
  if (public_keys && !version.public_key.empty()) {
    entry["public_key_pem"] = spki_to_pem(version.public_key);
    entry["jwk"] = to_jwk(version.public_key);
  }
  return entry;
}

// RSA keys have two, so none is named for them (RFC 7517 §4.4).
std::optional<Algorithm> only_algorithm(KeyType type) {
  if (type == KeyType::ec_p256) return Algorithm::es256;
  if (type == KeyType::ec_p384) return Algorithm::es384;
  if (type == KeyType::ed25519) return Algorithm::eddsa;
  return std::nullopt;
}

// What each process found of itself; this one looks now.
json::array process_entries(const Service& service, json::array& reasons) {
  std::map<std::string, json::object> all = service.protections;
  const Protection own = own_protection(service.landlock);
  all["core"] = to_json(own, gaps_in(own, {}));
  json::array entries;
  for (auto& [name, protection] : all) {
    for (const json::value& gap : protection["gaps"].as_array())
      reasons.emplace_back("process " + name + ": " + std::string(gap.as_string()));
    json::object entry{{"name", name}};
    for (auto& [field, value] : protection) entry[field] = value;
    entries.push_back(std::move(entry));
  }
  return entries;
}

// What is wrong with the certificate that a key signs with, or soon will be; empty: nothing.
std::string certificate_trouble(const Key& key, SystemTime now) {
  constexpr std::chrono::days kWarning{7};
  const KeyVersion* active = key.active();
  if (key.disabled || active == nullptr || active->disabled || !active->certificate) return {};
  const SystemTime end = active->certificate->not_after;
  if (now > end) return "expired " + to_rfc3339(end);
  return now + kWarning > end ? "expires " + to_rfc3339(end) : std::string();
}

// How far the log is, and how far a checkpoint covers it.
json::object audit_entry(const Service& service) {
  json::object entry{{"records", service.audit->size()},
                     {"signed_records", service.checkpoints.signed_size()}};
  if (const auto time = service.checkpoints.signed_at()) entry["signed_at"] = to_rfc3339(*time);
  return entry;
}

}  // namespace

json::object version_document() {
  return {{"version", HOLDFAST_VERSION},
          {"api", 1},
          {"features",
           {"sigv4", "sigv4a", "sigv4-chunks", "s3-post", "roles-anywhere", "jwt", "digest"}}};
}

json::object health_document(const Service& service, bool names_keys) {
  json::array devices, reasons;
  json::array processes = process_entries(service, reasons);
  std::size_t usable = 0;
  for (const auto& [name, device] : service.devices) {
    const bool ready = device->state() == device::State::ready;
    usable += ready ? 1 : 0;
    if (!ready) reasons.emplace_back("device " + name + ": " + device->reason());
    const DeviceDescription& description = device->description();
    json::object entry{{"name", name},
                       {"backend", description.backend},
                       {"model", description.model},
                       {"state", to_string(device->state())},
                       {"software", description.software},
                       {"verify", to_string(service.verification.of(name))}};
    // A TPM's; what an HSM's module does on its way there nobody knows.
    if (description.backend != "pkcs11")
      entry["sessions"] = description.encrypted_sessions ? "encrypted" : "plain";
    devices.push_back(std::move(entry));
  }
  const std::string failure = service.audit->failure();
  if (!failure.empty()) reasons.emplace_back("audit: " + failure);
  const std::string gap = service.checkpoints.gap(service.clock.steady());
  if (!gap.empty())
    reasons.emplace_back(
        "audit: " +
        (names_keys ? gap : "checkpoints are not signed; the admin socket's health says why"));
  const std::chrono::seconds behind = service.clock.behind();
  if (behind != std::chrono::seconds(0))
    reasons.emplace_back("clock: it went back by " + std::to_string(behind.count()) +
                         " s; set it right, or run `holdfast clock accept`");
  // Where the kernel could tell of processes, a caller of whom nothing is known matches hardly any grant.
  const std::string kernel = identity::process_identity_gap();
  const bool needed = kernel.empty() || service.policy->needs_process_identity();
  const std::string missing = kernel.empty() ? service.processes->gap() : kernel;
  if (needed && !missing.empty()) reasons.emplace_back("identity: " + missing);
  for (const auto& [name, key] : service.catalogue.all()) {
    if (!key->damage.empty())
      reasons.emplace_back(names_keys
                               ? "key " + name + ": " + key->damage
                               : "a key's files are damaged; the admin socket's health says which");
    // A version that signs no more is missed by nobody.
    const KeyVersion* active = key->active();
    if (active != nullptr && service.lost.contains(name, active->number))
      reasons.emplace_back(names_keys ? "key " + name + ": its device does not load it any more"
                                      : "a key does not load any more; the admin socket's health "
                                        "says which");
    const std::string trouble = certificate_trouble(*key, service.system_clock.now());
    if (!trouble.empty())
      reasons.emplace_back(names_keys ? "key " + name + ": its certificate " + trouble
                                      : "a key's certificate has expired or is about to; the admin "
                                        "socket's health says which");
  }
  const bool down = !failure.empty() || behind != std::chrono::seconds(0) ||
                    (usable == 0 && !service.devices.empty());
  json::array notes;
  if (service.config.user.empty() || service.config.user == service.config.device_user)
    notes.emplace_back("core and device processes share one uid");
  if (service.config.audit.signing_key.empty())
    notes.emplace_back("the log's checkpoints are not signed: [audit] signing_key names no key");
  return {{"status", down              ? "down"
                     : reasons.empty() ? "ok"
                                       : "degraded"},
          {"reasons", std::move(reasons)},
          {"notes", std::move(notes)},
          {"version", HOLDFAST_VERSION},
          {"policy_digest", service.policy->digest()},
          {"audit", audit_entry(service)},
          {"devices", std::move(devices)},
          {"processes", std::move(processes)}};
}

json::object whoami_document(const Service& service, const Caller& caller) {
  json::array grants;
  for (std::string& name : service.policy->grants_of(caller)) grants.emplace_back(std::move(name));
  return {{"pid", caller.pid},
          {"uid", caller.uid},
          {"gid", caller.gid},
          {"user", caller.user},
          {"groups", json::array(caller.groups.begin(), caller.groups.end())},
          {"unit", caller.unit},
          {"user_unit", caller.user_unit},
          {"exe", caller.exe},
          {"exe_sha256", caller.exe_sha256},
          {"label", caller.label},
          {"container", caller.container},
          {"pod", caller.pod},
          {"security_label", caller.security_label},
          {"nested", caller.nested},
          {"grants", std::move(grants)}};
}

json::object key_document(const Service& service, const Key& key, bool public_keys) {
  if (!key.damage.empty()) return {{"name", key.name}, {"damage", key.damage}};
  json::array versions;
  for (const KeyVersion& version : key.versions)
    versions.push_back(
        version_entry(version, service.lost.contains(key.name, version.number), public_keys));
  json::object document{{"name", key.name},          {"type", to_string(key.type)},
                        {"use", to_string(key.use)}, {"device", key.device},
                        {"software", key.software},  {"origin", to_string(key.origin)},
                        {"disabled", key.disabled},  {"versions", std::move(versions)}};
  if (key.type != KeyType::hmac_sha256)
    document["verify"] = to_string(service.verification.of(key.device));
  const KeyVersion* active = key.active();
  if (public_keys && active != nullptr && !active->public_key.empty()) {
    document["public_key_pem"] = spki_to_pem(active->public_key);
    document["jwk"] = to_jwk(active->public_key);
  }
  return document;
}

json::object keys_document(const Service& service, std::size_t limit, std::string_view after,
                           const std::function<bool(const Key&)>& shown) {
  json::array keys;
  json::object document;
  const Catalogue::Map& all = service.catalogue.all();
  for (auto at = all.upper_bound(after); at != all.end(); ++at) {
    if (!shown(*at->second)) continue;
    if (keys.size() == limit) {
      document["next"] = keys.back().as_object().at("name");
      break;
    }
    keys.push_back(key_document(service, *at->second, false));
  }
  document["keys"] = std::move(keys);
  return document;
}

json::object jwks_document(const Catalogue& catalogue, std::string_view name,
                           const std::function<bool(const Key&)>& shown) {
  json::array keys;
  for (const auto& [key_name, key] : catalogue.all()) {
    if (key->use != KeyUse::jwt || key->disabled || (!name.empty() && key_name != name)) continue;
    if (!shown(*key)) continue;
    for (const KeyVersion& version : key->versions) {
      if (!version.published()) continue;
      json::object jwk = to_jwk(version.public_key);
      jwk["kid"] = version.kid;
      jwk["use"] = "sig";
      if (const auto algorithm = only_algorithm(key->type)) jwk["alg"] = to_string(*algorithm);
      keys.push_back(std::move(jwk));
    }
  }
  return {{"keys", std::move(keys)}};
}

json::object request_document(const std::string& request_id, const json::object& record) {
  const bool allowed = record.at("decision") == "allowed";
  const bool done = record.at("code") == "ok";
  json::object document{
      {"request_id", request_id},  {"audit_seq", record.at("seq")},
      {"time", record.at("time")}, {"operation", record.at("operation")},
      {"key", record.at("key")},   {"decision", !allowed ? "deny" : done ? "allow" : "error"},
      {"code", record.at("code")}, {"policy_digest", record.at("policy_digest")}};
  const json::value* details = record.if_contains("details");
  if (details != nullptr)  // not yet pruned
    for (const char* name :
         {"reason", "grant", "caller", "facts", "facts_cut", "skew_seconds", "ttl_seconds", "jti"})
      if (const json::value* value = details->as_object().if_contains(name))
        document[name] = *value;
  return document;
}

}  // namespace holdfast
