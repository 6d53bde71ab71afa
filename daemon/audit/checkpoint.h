// Signed checkpoints: the note text of C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint), signed as
// https://c2sp.org/signed-note says, with ECDSA P-256 (signature type 0x02).
//
//   machine.example/holdfast        origin, and the name of the key
//   1234                            records
//   CsUYapGG…                       root hash
//   time 2026-01-01T00:00:00Z       extension lines
//   policy …                        digest of the policy in force, hex
//   catalogue …                     digest of the key catalogue, hex
//   anchor 17                       a counter outside the disk, where there is one
//
//   — machine.example/holdfast base64(key ID ‖ signature)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/log.h"
#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"

namespace holdfast::audit {

inline constexpr std::size_t kMostNoteBytes = 64 * 1024;

struct Checkpoint {
  std::string origin;
  LogState state;
  SystemTime time;  // whole seconds
  std::string policy_digest, catalogue_digest;
  std::optional<std::uint64_t> anchor;
};

std::string to_text(const Checkpoint& checkpoint);

using KeyId = std::array<std::uint8_t, 4>;
// Signature type 0x02: the first bytes of SHA-256(DER SubjectPublicKeyInfo).
KeyId key_id(ByteView spki);

// The signature line, for a DER ECDSA signature over SHA-256(text).
std::string signature_line(std::string_view name, ByteView spki, ByteView signature);

struct NoteSignature {
  std::string name;
  KeyId key_id;
  Bytes signature;
};

struct SignedCheckpoint {
  Checkpoint checkpoint;
  std::string text;  // what is signed
  std::vector<NoteSignature> signatures;

  // By the log's own key: its name is the origin. Not where another line in that key's name fails.
  bool is_signed_by(ByteView spki) const;
};

// One spelling for one checkpoint: the lines above, all of them, in this order, and 1 to 16 signatures, whoever
// made them. nullopt for anything else.
std::optional<SignedCheckpoint> parse_checkpoint(std::string_view note);

// The stored one, signatures unchecked; nullopt if there is none. Throws Error{audit_unavailable} if it can't be read or
// is none.
std::optional<SignedCheckpoint> read_signed(const std::string& folder);

// One of those beside it; nullopt also for what is none of this size.
std::optional<SignedCheckpoint> read_signed(const std::string& folder, std::uint64_t size);

std::string checkpoint_path(std::uint64_t size);  // in the folder: checkpoints/000000001234
std::vector<std::uint64_t> list_checkpoints(const std::string& folder);  // their sizes, ascending

// A public key as `holdfast key show` and openssl write it: PEM of an EC P-256 SubjectPublicKeyInfo; returns the DER.
// Throws Error{invalid_request}.
Bytes read_public_key(const std::string& pem);

}  // namespace holdfast::audit
