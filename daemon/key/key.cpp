#include "daemon/key/key.h"

#include <algorithm>
#include <utility>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

KeyVersion& require(Key& key, std::uint32_t number) {
  KeyVersion* version = key.find(number);
  if (version == nullptr)
    throw Error(ErrorKind::not_found,
                "key " + key.name + " has no version " + std::to_string(number));
  return *version;
}

// Before it signs: what the former version did would stop otherwise.
void demand_certificate(const Key& key, const KeyVersion& version) {
  if (needs_certificate(key.use) && !version.certificate)
    throw Error(ErrorKind::conflict, "version " + std::to_string(version.number) +
                                         " has no certificate, and would sign nothing: attach one "
                                         "to the pending version first");
}

void activate(Key& key, KeyVersion& version) {
  for (KeyVersion& other : key.versions)
    if (other.state == VersionState::active) other.state = VersionState::verifying;
  version.state = VersionState::active;
}

}  // namespace

std::string_view to_string(KeyUse use) noexcept {
  switch (use) {
    case KeyUse::sigv4:
      return "sigv4";
    case KeyUse::sigv4a:
      return "sigv4a";
    case KeyUse::jwt:
      return "jwt";
    case KeyUse::digest:
      return "digest";
    case KeyUse::roles_anywhere:
      return "roles-anywhere";
    case KeyUse::audit:
      return "audit";
  }
  return "";
}

std::optional<KeyUse> key_use_from(std::string_view text) noexcept {
  for (const KeyUse use : {KeyUse::sigv4, KeyUse::sigv4a, KeyUse::jwt, KeyUse::digest,
                           KeyUse::roles_anywhere, KeyUse::audit})
    if (to_string(use) == text) return use;
  return std::nullopt;
}

bool is_of_access_key(KeyUse use) noexcept {
  return use == KeyUse::sigv4 || use == KeyUse::sigv4a;
}

bool fits(KeyUse use, KeyType type) noexcept {
  if (use == KeyUse::audit || use == KeyUse::sigv4a) return type == KeyType::ec_p256;
  if (use == KeyUse::roles_anywhere && type == KeyType::ec_p384) return false;
  if (type == KeyType::ed25519) return use == KeyUse::jwt;
  return (use == KeyUse::sigv4) == (type == KeyType::hmac_sha256);
}

bool needs_certificate(KeyUse use) noexcept {
  return use == KeyUse::roles_anywhere;
}

std::string_view to_string(Origin origin) noexcept {
  return origin == Origin::generated ? "generated" : "imported";
}

std::optional<Origin> origin_from(std::string_view text) noexcept {
  for (const Origin origin : {Origin::generated, Origin::imported})
    if (to_string(origin) == text) return origin;
  return std::nullopt;
}

std::string_view to_string(VersionState state) noexcept {
  switch (state) {
    case VersionState::pending:
      return "pending";
    case VersionState::active:
      return "active";
    case VersionState::verifying:
      return "verifying";
    case VersionState::retired:
      return "retired";
  }
  return "";
}

std::optional<VersionState> version_state_from(std::string_view text) noexcept {
  for (const VersionState state : {VersionState::pending, VersionState::active,
                                   VersionState::verifying, VersionState::retired})
    if (to_string(state) == text) return state;
  return std::nullopt;
}

const KeyVersion* Key::active() const {
  const auto at = std::ranges::find(versions, VersionState::active, &KeyVersion::state);
  return at == versions.end() ? nullptr : &*at;
}

const KeyVersion* Key::find(std::uint32_t number) const {
  const auto at = std::ranges::find(versions, number, &KeyVersion::number);
  return at == versions.end() ? nullptr : &*at;
}

KeyVersion* Key::find(std::uint32_t number) {
  return const_cast<KeyVersion*>(std::as_const(*this).find(number));
}

bool is_key_name(std::string_view text) noexcept {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && alphanumeric(text[0]) &&
         std::ranges::all_of(
             text, [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

Key with_version(Key key, KeyVersion version, VersionState state) {
  if (key.versions.size() >= kMaxVersions)
    throw Error(ErrorKind::conflict, "a key has at most " + std::to_string(kMaxVersions) +
                                         " versions: go on with a new key");
  version.number = key.versions.empty() ? 1 : key.versions.back().number + 1;
  version.state = VersionState::pending;
  key.versions.push_back(std::move(version));
  if (state == VersionState::active) {
    if (key.versions.size() > 1) demand_certificate(key, key.versions.back());
    activate(key, key.versions.back());
  }
  return key;
}

Key activated(Key key, std::uint32_t number) {
  KeyVersion& version = require(key, number);
  if (version.state == VersionState::retired)
    throw Error(ErrorKind::conflict, "version " + std::to_string(number) +
                                         " is retired for good; add a new version instead");
  if (version.disabled)
    throw Error(ErrorKind::conflict,
                "version " + std::to_string(number) + " is disabled; enable it first");
  demand_certificate(key, version);
  activate(key, version);
  return key;
}

Key retired(Key key, std::uint32_t number) {
  KeyVersion& version = require(key, number);
  if (version.state == VersionState::active)
    throw Error(ErrorKind::conflict,
                "version " + std::to_string(number) +
                    " is the active one; activate another first, or disable it");
  version.state = VersionState::retired;
  return key;
}

Key with_version_disabled(Key key, std::uint32_t number, bool disabled) {
  require(key, number).disabled = disabled;
  return key;
}

std::pair<Key, std::uint32_t> with_certificate(Key key, Certificate certificate) {
  const auto at = std::ranges::find_if(key.versions, [&](const KeyVersion& version) {
    return !version.public_key.empty() && version.state != VersionState::retired &&
           is_for(certificate, version.public_key);
  });
  if (at == key.versions.end())
    throw Error(ErrorKind::conflict,
                "the certificate is for another key: it has the public key of no version of " +
                    key.name + " that is not retired");
  at->certificate = std::move(certificate);
  const std::uint32_t number = at->number;
  return {std::move(key), number};
}

Key dated(Key key, const Key* before, SystemTime now) {
  for (KeyVersion& version : key.versions) {
    const KeyVersion* was = before ? before->find(version.number) : nullptr;
    if (was == nullptr || was->state != version.state) version.since = now;
  }
  return key;
}

}  // namespace holdfast
