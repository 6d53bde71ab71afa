#include "daemon/device/message.h"

#include <algorithm>

#include "daemon/base/log.h"
#include "daemon/device/wire.h"

namespace holdfast::device {
namespace {

constexpr std::uint8_t kMagic[2] = {'H', 'F'};
constexpr std::uint8_t kVersion = 4;
constexpr std::uint8_t kFirstAnswer = 128;  // kinds: the variant's index, answers from here on
constexpr std::size_t kMostDigestBytes = 64;
static_assert(kMostObjectBytes + kMostEddsaMessageBytes + 64 <= kMostMessageBytes);
constexpr std::size_t kMostPublicKeyBytes = 4096;
constexpr std::size_t kMostSignatureBytes = 1024;
constexpr std::size_t kMacBytes = 32;
constexpr std::size_t kMostTextBytes = 512;
constexpr std::size_t kMostKinds = 16;

// What a vendor's library says may be anything: escaped where it is not text, and cut.
std::string fit(std::string_view text) {
  std::string fitted = is_utf8(text) ? std::string(text) : log::escape(text);
  if (fitted.size() <= kMostTextBytes) return fitted;
  fitted.resize(kMostTextBytes);
  while (!is_utf8(fitted)) fitted.pop_back();
  return fitted;
}

bool of_a_backend(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unsupported:
    case ErrorKind::key_lost:
    case ErrorKind::device_unavailable:
    case ErrorKind::invalid_request:
    case ErrorKind::conflict:  // of an Enroller or Anchor
    case ErrorKind::internal:
      return true;
    default:
      return false;
  }
}

// EdDSA alone signs the message itself.
std::size_t most_input_bytes(Algorithm algorithm) {
  return algorithm == Algorithm::eddsa ? kMostEddsaMessageBytes : kMostDigestBytes;
}

// No device ever made an object that large, so nothing can load it.
void write_object(Writer& out, const Bytes& object) {
  if (object.size() > kMostObjectBytes)
    throw Error(ErrorKind::key_lost, "the key's object is larger than any that a device makes");
  out.bytes(object, kMostObjectBytes);
}

void write(Writer& out, const Create& command) {
  out.number(static_cast<std::uint8_t>(command.type));
}
void write(Writer& out, const ImportSecret& command) {
  out.bytes(command.secret.view(), kMostSecretBytes);
}
void write(Writer& out, const ImportPrivateKey& command) {
  out.number(static_cast<std::uint8_t>(command.type));
  out.bytes(command.pkcs8.view(), kMostPkcs8Bytes);
}
void write(Writer& out, const Sign& command) {
  write_object(out, command.object);
  out.number(static_cast<std::uint8_t>(command.algorithm));
  out.bytes(command.digest, most_input_bytes(command.algorithm));
}
void write(Writer& out, const Mac& command) {
  write_object(out, command.object);
  out.count(command.chain.size(), kMostChainLinks);
  for (const Bytes& link : command.chain) out.bytes(link, kMostLinkBytes);
}
void write(Writer& out, const Remove& command) {
  write_object(out, command.object);
}
void write(Writer&, const Check&) {}
void write(Writer& out, const Enrol& command) {
  if (!is_utf8(command.uri))
    throw Error(ErrorKind::invalid_request, "a URI for the device is not UTF-8");
  out.bytes(as_bytes(command.uri), kMostUriBytes);
}
void write(Writer&, const ReadAnchor&) {}
void write(Writer&, const IncrementAnchor&) {}

void write(Writer& out, const Failure& answer) {
  const ErrorKind kind = of_a_backend(answer.kind) ? answer.kind : ErrorKind::internal;
  out.number(static_cast<std::uint8_t>(kind));
  out.number(static_cast<std::uint64_t>(answer.native_code));
  out.bytes(as_bytes(fit(answer.detail)), kMostTextBytes);
}
void write(Writer& out, const DeviceKey& answer) {
  out.bytes(answer.object, kMostObjectBytes);
  out.bytes(answer.public_key, kMostPublicKeyBytes);
}
void write(Writer& out, const EnrolledKey& answer) {
  out.number(static_cast<std::uint8_t>(answer.type));
  write(out, answer.key);
  out.number(static_cast<std::uint8_t>(answer.always_secret));
}
void write(Writer& out, const Signature& answer) {
  out.bytes(answer.bytes, kMostSignatureBytes);
}
void write(Writer& out, const Secret& answer) {
  if (answer.size() != kMacBytes)
    throw Error(ErrorKind::invalid_request, "a MAC for the core is of another size");
  out.bytes(answer.view(), kMacBytes);
}
void write(Writer&, const Removed&) {}
void write(Writer& out, const Ready& answer) {
  const DeviceDescription& device = answer.description;
  for (const std::string* text : {&device.backend, &device.model, &device.parent_name})
    out.bytes(as_bytes(fit(*text)), kMostTextBytes);
  out.number(static_cast<std::uint8_t>(device.software));
  out.count(device.types.size(), kMostKinds);
  for (const KeyType type : device.types) out.number(static_cast<std::uint8_t>(type));
  out.count(device.algorithms.size(), kMostKinds);
  for (const Algorithm algorithm : device.algorithms)
    out.number(static_cast<std::uint8_t>(algorithm));
  out.number(device.commands_in_flight);
  out.number(device.parallel);
  out.number(device.lockout_counter);
  out.number(static_cast<std::uint8_t>(device.encrypted_sessions));
  out.number(static_cast<std::uint8_t>(device.anchor));
}
void write(Writer& out, const Unavailable& answer) {
  out.bytes(as_bytes(fit(answer.reason)), kMostTextBytes);
}
void write(Writer& out, const AnchorState& answer) {
  out.number(static_cast<std::uint8_t>(answer.value.has_value()));
  if (answer.value) out.number(*answer.value);
}

template <class Body>
Wire encode_body(std::uint64_t id, std::uint8_t kind, const Body& body) {
  Writer out(512);
  out.number(kMagic[0]);
  out.number(kMagic[1]);
  out.number(kVersion);
  out.number(kind);
  out.number(id);
  std::visit([&](const auto& fields) { write(out, fields); }, body);
  return out.take();
}

ImportPrivateKey read_import(Reader& in) {
  const KeyType type = in.enumerator(KeyType::ed25519);
  return {type, Secret(in.bytes(kMostPkcs8Bytes))};
}

Sign read_sign(Reader& in) {
  Sign command;
  command.object = in.copy(kMostObjectBytes);
  command.algorithm = in.enumerator(Algorithm::eddsa);
  command.digest = in.copy(most_input_bytes(command.algorithm));
  return command;
}

Mac read_mac(Reader& in) {
  Mac command;
  command.object = in.copy(kMostObjectBytes);
  command.chain.resize(in.count(kMostChainLinks));
  for (Bytes& link : command.chain) link = in.copy(kMostLinkBytes);
  return command;
}

Failure read_failure(Reader& in) {
  Failure answer;
  answer.kind = in.enumerator(ErrorKind::internal);
  if (!of_a_backend(answer.kind)) Reader::refuse("a kind of error that no backend has");
  answer.native_code = static_cast<std::int64_t>(in.number<std::uint64_t>());
  answer.detail = in.text(kMostTextBytes);
  return answer;
}

DeviceKey read_key(Reader& in) {
  DeviceKey answer;
  answer.object = in.copy(kMostObjectBytes);
  answer.public_key = in.copy(kMostPublicKeyBytes);
  return answer;
}

EnrolledKey read_enrolled(Reader& in) {
  EnrolledKey answer{in.enumerator(KeyType::ed25519), read_key(in), false};
  answer.always_secret = in.boolean();
  return answer;
}

Secret read_mac_result(Reader& in) {
  const ByteView bytes = in.bytes(kMacBytes);
  if (bytes.size() != kMacBytes) Reader::refuse("a MAC of another size");
  return Secret(bytes);
}

Ready read_ready(Reader& in) {
  Ready answer;
  DeviceDescription& device = answer.description;
  for (std::string* text : {&device.backend, &device.model, &device.parent_name})
    *text = in.text(kMostTextBytes);
  device.software = in.boolean();
  device.types.resize(in.count(kMostKinds));
  for (KeyType& type : device.types) type = in.enumerator(KeyType::ed25519);
  device.algorithms.resize(in.count(kMostKinds));
  for (Algorithm& algorithm : device.algorithms) algorithm = in.enumerator(Algorithm::eddsa);
  device.commands_in_flight = in.number<std::uint32_t>();
  device.parallel = in.number<std::uint32_t>();
  device.lockout_counter = in.number<std::uint32_t>();
  device.encrypted_sessions = in.boolean();
  device.anchor = in.boolean();
  return answer;
}

AnchorState read_anchor_state(Reader& in) {
  AnchorState answer;
  if (in.boolean()) answer.value = in.number<std::uint64_t>();
  return answer;
}

Command read_command(Reader& in, std::uint8_t kind) {
  switch (kind) {
    case 0:
      return Create{in.enumerator(KeyType::ed25519)};
    case 1:
      return ImportSecret{Secret(in.bytes(kMostSecretBytes))};
    case 2:
      return read_import(in);
    case 3:
      return read_sign(in);
    case 4:
      return read_mac(in);
    case 5:
      return Remove{in.copy(kMostObjectBytes)};
    case 6:
      return Check{};
    case 7:
      return Enrol{in.text(kMostUriBytes)};
    case 8:
      return ReadAnchor{};
    case 9:
      return IncrementAnchor{};
  }
  Reader::refuse("an unknown command");
}

Answer read_answer(Reader& in, std::uint8_t kind) {
  switch (kind) {
    case kFirstAnswer + 0:
      return read_failure(in);
    case kFirstAnswer + 1:
      return read_key(in);
    case kFirstAnswer + 2:
      return Signature{in.copy(kMostSignatureBytes)};
    case kFirstAnswer + 3:
      return read_mac_result(in);
    case kFirstAnswer + 4:
      return Removed{};
    case kFirstAnswer + 5:
      return read_ready(in);
    case kFirstAnswer + 6:
      return Unavailable{in.text(kMostTextBytes)};
    case kFirstAnswer + 7:
      return read_enrolled(in);
    case kFirstAnswer + 8:
      return read_anchor_state(in);
  }
  Reader::refuse("an unknown answer");
}

template <class Body, Body (*Read)(Reader&, std::uint8_t)>
Message<Body> decode(ByteView wire) {
  if (wire.size() > kMostMessageBytes) Reader::refuse("too many bytes");
  Reader in(wire);
  if (in.number<std::uint8_t>() != kMagic[0] || in.number<std::uint8_t>() != kMagic[1])
    Reader::refuse("another magic number");
  if (in.number<std::uint8_t>() != kVersion) Reader::refuse("another version");
  const auto kind = in.number<std::uint8_t>();
  const auto id = in.number<std::uint64_t>();
  Message<Body> message{id, Read(in, kind)};
  in.finish();
  return message;
}

}  // namespace

Wire encode(std::uint64_t id, const Command& command) {
  return encode_body(id, static_cast<std::uint8_t>(command.index()), command);
}
Wire encode(std::uint64_t id, const Answer& answer) {
  return encode_body(id, static_cast<std::uint8_t>(kFirstAnswer + answer.index()), answer);
}
Message<Command> decode_command(ByteView wire) {
  return decode<Command, read_command>(wire);
}
Message<Answer> decode_answer(ByteView wire) {
  return decode<Answer, read_answer>(wire);
}

}  // namespace holdfast::device
