// A named, versioned entry of the catalogue. It has exactly one use, chosen at creation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/key/backend.h"
#include "daemon/key/certificate.h"

namespace holdfast {

// sigv4a: what is derived from an AWS secret access key for SigV4A. audit: signs the log's checkpoints, and
// nothing that a caller asks for.
enum class KeyUse : std::uint8_t { sigv4, sigv4a, jwt, digest, roles_anywhere, audit };
std::string_view to_string(KeyUse use) noexcept;
std::optional<KeyUse> key_use_from(std::string_view text) noexcept;
// Is it of an AWS access key, which AWS makes and an administrator imports?
bool is_of_access_key(KeyUse use) noexcept;
// Which types can serve a use: sigv4 needs hmac-sha256, the others one with a public key; ed25519 signs no
// digests, so it is for jwt alone; sigv4a has to be ec_p256, and audit, too (signed-note type 0x02); AWS takes no
// ec_p384 for roles_anywhere.
bool fits(KeyUse use, KeyType type) noexcept;
// Does a version of it sign with a certificate that names its public key?
bool needs_certificate(KeyUse use) noexcept;

enum class Origin : std::uint8_t { generated, imported };
std::string_view to_string(Origin origin) noexcept;
std::optional<Origin> origin_from(std::string_view text) noexcept;

// pending: published, not signing yet; active: signs; verifying: published, no longer signs;
// retired: gone from sight. At most one version is active.
enum class VersionState : std::uint8_t { pending, active, verifying, retired };
std::string_view to_string(VersionState state) noexcept;
std::optional<VersionState> version_state_from(std::string_view text) noexcept;

struct KeyVersion {
  std::uint32_t number = 0;  // from 1
  // sigv4, sigv4a: the access key id; else what the import named, or the JWK thumbprint (RFC 7638)
  std::string kid;
  VersionState state = VersionState::pending;
  bool disabled = false;
  SystemTime created;
  SystemTime since;         // in its state
  Bytes object;             // DeviceKey::object
  Bytes public_key;         // DER SubjectPublicKeyInfo, empty for HMAC
  std::string check_value;  // of an HMAC key (check_value.h), empty for others
  std::optional<Certificate> certificate;

  // May others verify with it? Retired and disabled ones are not published.
  bool published() const { return !disabled && state != VersionState::retired; }
};

// A value: changed by copying, and shared as const once it is in the catalogue.
struct Key {
  std::string name;
  KeyType type = KeyType::ec_p256;
  KeyUse use = KeyUse::digest;
  std::string device;
  Origin origin = Origin::generated;
  bool software = false;  // made on a device that protects nothing
  bool disabled = false;
  std::vector<KeyVersion> versions;  // ascending numbers
  std::string damage;                // why the files can't be used; then only the name is known

  const KeyVersion* active() const;
  const KeyVersion* find(std::uint32_t number) const;
  KeyVersion* find(std::uint32_t number);
};

// [a-z0-9][a-z0-9._-]{0,62}
bool is_key_name(std::string_view text) noexcept;

inline constexpr std::size_t kMaxVersions = 500;  // of a key; its metadata stays below 1 MiB

// The staged life of a version; each returns the changed key or throws Error{conflict, not_found}. Where
// the use needs a certificate, only a key's first version becomes active without one.
Key with_version(Key key, KeyVersion version, VersionState state);  // pending, or active at once
Key activated(Key key, std::uint32_t number);  // the former active one becomes verifying
Key retired(Key key, std::uint32_t number);    // not while it is active
Key with_version_disabled(Key key, std::uint32_t number, bool disabled);
// The certificate goes to the version whose public key it has, in place of a former one; the second is
// its number. Throws Error{conflict} where there is none.
std::pair<Key, std::uint32_t> with_certificate(Key key, Certificate certificate);

// Dates what is new or in another state than in `before` (nullptr: all of it): a rotation measures
// its waits from there.
Key dated(Key key, const Key* before, SystemTime now);

}  // namespace holdfast
