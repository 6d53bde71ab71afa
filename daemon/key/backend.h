// THE device interface. tpm/ and pkcs11/ see only this and base/.
//
// A backend makes keys and signs digests (eddsa: messages) with a named algorithm. It knows no format, no caller and
// no policy, keeps no durable state, and infers nothing: type, algorithm and digest are said, and a
// mismatch is an error. Calls block. One thread of one process owns a backend; sign() and mac() alone may
// be called by as many threads at once as describe().parallel says, and nothing else meanwhile.
//
// Errors are `Error` of these kinds: unsupported (the device can't), key_lost (the object does not
// load), device_unavailable (the device has to be opened again: the owner destroys the backend and
// makes a new one), invalid_request (sizes that don't fit), internal.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/secret.h"

namespace holdfast {

enum class KeyType : std::uint8_t { ec_p256, ec_p384, rsa_2048, rsa_3072, hmac_sha256, ed25519 };
std::string_view to_string(KeyType type) noexcept;  // "ec-p256", as the protocol spells it
std::optional<KeyType> key_type_from(std::string_view text) noexcept;

// JOSE names (RFC 7518 §3.1): the algorithm fixes digest, padding and salt.
enum class Algorithm : std::uint8_t { es256, es384, rs256, ps256, eddsa };
std::string_view to_string(Algorithm algorithm) noexcept;  // "ES256"
std::optional<Algorithm> algorithm_from(std::string_view text) noexcept;
std::size_t digest_bytes(
    Algorithm algorithm) noexcept;  // 32 or 48; 0 for eddsa, which takes the message

// What a key of this type signs with, what it signs with by itself first; nothing for HMAC.
std::span<const Algorithm> algorithms_of(KeyType type) noexcept;

// Of a message that eddsa signs as a whole: with its key it fits one message to the device process.
inline constexpr std::size_t kMostEddsaMessageBytes = 49152 - 1024;

// What the device found out about itself when it was opened.
struct DeviceDescription {
  std::string backend;    // "tpm"
  std::string model;      // manufacturer and firmware, printable
  bool software = false;  // an emulator: no protection
  std::string
      parent_name;  // hex; what wraps the keys, another value means another device or a cleared one
  std::vector<KeyType>
      types;  // that create() takes, and import_secret() for HMAC; import_private_key()
              // takes the asymmetric ones of these
  std::vector<Algorithm> algorithms;
  std::uint32_t commands_in_flight = 1;  // how many the core may have on the way
  std::uint32_t parallel = 1;            // how many threads may sign or make MACs at once
  std::uint32_t lockout_counter = 0;     // failed authorisations the device counts (TPM)
  bool encrypted_sessions =
      false;            // what passes between us and the device is encrypted and authenticated
  bool anchor = false;  // it is an Anchor
};

// `object` is what the device needs to find or load the key again, opaque to everyone else: a wrapped
// blob, or a name. It may carry a value that authorises the key's use, without which the device refuses
// it: store it with mode 0600, never show or log it. `public_key` is DER SubjectPublicKeyInfo, empty
// for HMAC.
struct DeviceKey {
  Bytes object;
  Bytes public_key;
};

inline constexpr std::size_t kMostPkcs8Bytes = 4096;

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const DeviceDescription& describe() const = 0;

  // A new key that can't leave the device. hmac_sha256 is `unsupported`: nobody could share it.
  virtual DeviceKey create(KeyType type) = 0;

  // An HMAC-SHA-256 key of 1 to 128 bytes, fixed to this device; longer than 64 is hashed first, as
  // RFC 2104 §2 does.
  virtual DeviceKey import_secret(const Secret& secret) = 0;

  // A key that was made elsewhere: DER PrivateKeyInfo (RFC 5208 §5, RFC 5958 §2) of exactly `type`, as
  // OpenSSL's i2d_PKCS8_PRIV_KEY_INFO writes it, at most kMostPkcs8Bytes. It can't leave the device from
  // then on. unsupported for other types than ec-p256, ec-p384, rsa-2048, rsa-3072 and for those that
  // the device lacks; invalid_request for a key that is not of `type`, is inconsistent, or has another
  // RSA exponent than 65537 (daemon/key/pkcs8.h judges).
  virtual DeviceKey import_private_key(KeyType type, const Secret& pkcs8) = 0;

  // Signs `digest`, of digest_bytes(algorithm); for eddsa that is the message, of at most
  // kMostEddsaMessageBytes. ECDSA: r‖s, each of the coordinate's size; RSA: the modulus' size; eddsa: 64
  // bytes (RFC 8032 §5.1.6). Not verified here: the caller does, with the public key. `meanwhile`, which does not
  // throw, is called when the device is at work or just before, perhaps twice: what else the owner has
  // to do is done then, and not while the device idles. Not called where the call is refused at once.
  using Meanwhile = std::function<void()>;
  virtual Bytes sign(ByteView object, Algorithm algorithm, ByteView digest,
                     const Meanwhile& meanwhile) = 0;
  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest) {
    return sign(object, algorithm, digest, [] {});
  }

  // HMAC-SHA-256 over chain[0] with the key, over chain[1] with that result, and so on (1 to 8
  // links, each at most 1024 bytes); the last result, 32 bytes. Only it leaves the device's
  // process.
  virtual Secret mac(ByteView object, const std::vector<Bytes>& chain) = 0;

  // Destroys what the device itself stores for the key; nothing for a wrapped blob.
  virtual void remove(ByteView object) = 0;

  // A cheap round trip that proves the device answers; refreshes lockout_counter.
  virtual void check() = 0;
};

// A key that is on the device already.
struct EnrolledKey {
  KeyType type;
  DeviceKey key;
  bool always_secret =
      false;  // made on the device, and could never leave it, as the device says of it
};

// What only devices that store keys themselves can do, beside Backend.
class Enroller {
 public:
  virtual ~Enroller() = default;

  // Finds the private key of this RFC 7512 URI, at most kMostUriBytes, and takes it as one of ours without
  // changing it; remove() of such a key leaves it on the device. Throws invalid_request for a URI that is
  // malformed or fits no key, several keys, or another token; conflict for a key whose attributes are too
  // weak, with the attribute and what it has to be; unsupported for a type that we don't sign with.
  virtual EnrolledKey enrol(std::string_view uri) = 0;
};

inline constexpr std::size_t kMostUriBytes = 2048;

struct AnchorState {
  std::optional<std::uint64_t> value;  // nullopt: it was never incremented, or is not there yet
};

// A counter outside the disk that only ever grows, beside Backend: a record of its value can't be older than
// one of a smaller value. It may grow by itself (a TPM adds to it where the power failed), and others who may use the
// device may let it grow; nobody can turn it back, but by making it another device, by parent_name, whose keys are
// lost.
class Anchor {
 public:
  virtual ~Anchor() = default;

  // Changes nothing on the device. Both throw unsupported where the device can't count for us, with what would let
  // it, and conflict where what is in the counter's place is another's.
  virtual AnchorState read() = 0;

  // Makes the counter where there is none. The new value: larger than every one before it, and than those of a
  // counter that was removed from its place. A device wears out by this: at most once an hour.
  virtual AnchorState increment() = 0;
};

}  // namespace holdfast
