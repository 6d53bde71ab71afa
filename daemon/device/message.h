// What core and device process say over a link: one SOCK_SEQPACKET message each, at most 64 KiB.
//
//   "HF" version(1) kind(1) id(8)  then the kind's fields; integers little-endian, bytes and texts
//   with their length in front (4 bytes), lists with their count (1 byte).
//
// Decoders are strict: every bound and enumerator is checked, nothing may follow the last field, and
// each direction has its own kinds. The core reads what a process with vendor code in it wrote.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/error.h"
#include "daemon/base/secret.h"
#include "daemon/key/backend.h"

namespace holdfast::device {

inline constexpr std::size_t kMostMessageBytes = 65536;
// What a message is received into. One byte more, so that decoding refuses what is longer.
inline constexpr std::size_t kBufferBytes = kMostMessageBytes + 1;
inline constexpr std::size_t kMostObjectBytes = 16384;
inline constexpr std::size_t kMostSecretBytes = 128;
inline constexpr std::size_t kMostChainLinks = 8;
inline constexpr std::size_t kMostLinkBytes = 1024;

// An encoded message; may hold a secret in passing.
using Wire = std::vector<std::uint8_t, ZeroingAllocator<std::uint8_t>>;

// core -> device
struct Create {
  KeyType type;
};
struct ImportSecret {
  Secret secret;
};
struct ImportPrivateKey {
  KeyType type;
  Secret pkcs8;
};
struct Sign {
  Bytes object;
  Algorithm algorithm;
  Bytes digest;  // or, for eddsa, the message
};
struct Mac {
  Bytes object;
  std::vector<Bytes> chain;
};
struct Remove {
  Bytes object;
};
struct Check {};
struct Enrol {
  std::string uri;
};
struct ReadAnchor {};
struct IncrementAnchor {};
using Command = std::variant<Create, ImportSecret, ImportPrivateKey, Sign, Mac, Remove, Check,
                             Enrol, ReadAnchor, IncrementAnchor>;

// device -> core
struct Signature {
  Bytes bytes;
};
struct Removed {};
struct Failure {
  ErrorKind kind;  // of those that backend.h names for Backend, Enroller and Anchor
  std::int64_t native_code;
  std::string detail;
};
// The device was opened (id 0), or answers a Check.
struct Ready {
  DeviceDescription description;
};
// Opening failed, and is tried again; said after each try, so that silence means a hang.
struct Unavailable {
  std::string reason;
};
using Answer = std::variant<Failure, DeviceKey, Signature, Secret, Removed, Ready, Unavailable,
                            EnrolledKey, AnchorState>;

template <class Body>
struct Message {
  std::uint64_t id = 0;  // the command's; 0 for a state that nobody asked for
  Body body;
};

// Throw Error{invalid_request} where a field is over its bound. Texts of an answer are made to fit.
Wire encode(std::uint64_t id, const Command& command);
Wire encode(std::uint64_t id, const Answer& answer);

// Throw Error{invalid_request} for anything that encode() would not have written.
Message<Command> decode_command(ByteView wire);
Message<Answer> decode_answer(ByteView wire);

}  // namespace holdfast::device
