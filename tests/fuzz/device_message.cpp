// What core and device process say to each other. What decodes encodes to the same bytes, and what encodes
// decodes to the same message.
#include <algorithm>

#include "daemon/device/message.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

using namespace holdfast::device;

Bytes copy(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

// A few bytes, up to 256 times: longer than the longest message to be signed.
Bytes repeated(Input& in) {
  const ByteView part = in.take(in.byte());
  Bytes whole;
  for (int times = 1 + in.byte(); times > 0; --times)
    whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

void judge(const Command& command) {
  const auto* sign = std::get_if<Sign>(&command);
  if (sign == nullptr) return;
  check(sign->digest.size() <= (sign->algorithm == Algorithm::eddsa ? kMostEddsaMessageBytes : 64),
        "only EdDSA takes more than a digest");
}

bool same(const Wire& wire, ByteView bytes) {
  return std::ranges::equal(wire, bytes);
}

Command command_from(Input& in) {
  const auto type = static_cast<KeyType>(in.byte() % 6);
  const auto algorithm = static_cast<Algorithm>(in.byte() % 5);
  switch (in.byte() % 10) {
    case 0:
      return Create{type};
    case 1:
      return ImportSecret{Secret(in.sized())};
    case 2:
      return ImportPrivateKey{type, Secret(in.sized())};
    case 3: {
      Bytes object = copy(in.sized());
      return Sign{std::move(object), algorithm, repeated(in)};
    }
    case 4: {
      Mac mac{copy(in.sized()), {}};
      for (std::size_t links = in.byte() % 12; links > 0; --links)
        mac.chain.push_back(copy(in.sized()));
      return mac;
    }
    case 5:
      return Remove{copy(in.sized())};
    case 6:
      return Enrol{std::string(as_text(in.sized()))};
    case 7:
      return ReadAnchor{};
    case 8:
      return IncrementAnchor{};
    default:
      return Check{};
  }
}

Answer answer_from(Input& in) {
  const auto text = [&] { return std::string(as_text(in.sized())); };
  switch (in.byte() % 9) {
    case 0: {
      const auto kind = static_cast<ErrorKind>(in.byte() % kErrorKinds);
      return Failure{kind, -1 - static_cast<std::int64_t>(in.byte()), text()};
    }
    case 1: {
      Bytes object = copy(in.sized());
      return DeviceKey{std::move(object), copy(in.sized())};
    }
    case 2:
      return Signature{copy(in.sized())};
    case 3:
      return Secret(in.sized());
    case 4:
      return Removed{};
    case 5: {
      DeviceDescription device;
      device.backend = text();
      device.model = text();
      device.parent_name = text();
      device.software = in.byte() % 2 != 0;
      for (std::size_t n = in.byte() % 20; n > 0; --n)
        device.types.push_back(static_cast<KeyType>(in.byte() % 6));
      for (std::size_t n = in.byte() % 20; n > 0; --n)
        device.algorithms.push_back(static_cast<Algorithm>(in.byte() % 5));
      device.commands_in_flight = in.byte();
      device.parallel = in.byte();
      device.lockout_counter = in.byte();
      device.encrypted_sessions = in.byte() % 2 != 0;
      device.anchor = in.byte() % 2 != 0;
      return Ready{device};
    }
    case 6: {
      const auto type = static_cast<KeyType>(in.byte() % 6);
      Bytes object = copy(in.sized());
      return EnrolledKey{type, {std::move(object), copy(in.sized())}, in.byte() % 2 != 0};
    }
    case 7: {
      AnchorState state;
      if (in.byte() % 2 != 0) state.value = in.byte();
      return state;
    }
    default:
      return Unavailable{text()};
  }
}

// Encoded, decoded and encoded again; over its bounds it is refused at once.
template <class Body, class Decode>
void round_trip(const Body& body, Decode decode) {
  Wire wire;
  if (!answers({ErrorKind::invalid_request, ErrorKind::key_lost}, [&] { wire = encode(7, body); }))
    return;
  check(wire.size() <= kMostMessageBytes, "a message fits the link");
  const auto message = decode(ByteView(wire));
  check(message.id == 7 && message.body.index() == body.index(),
        "the same kind of message comes back");
  check(same(encode(7, message.body), wire), "the same message comes back");
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  using namespace holdfast::fuzz;
  const ByteView wire(data, size);
  answers({ErrorKind::invalid_request}, [&] {
    const auto message = device::decode_command(wire);
    check(same(device::encode(message.id, message.body), wire), "a command has one spelling");
    judge(message.body);
  });
  answers({ErrorKind::invalid_request}, [&] {
    const auto message = device::decode_answer(wire);
    check(same(device::encode(message.id, message.body), wire), "an answer has one spelling");
  });
  Input for_command(data, size);
  const auto command = command_from(for_command);
  round_trip(command, [](ByteView bytes) {
    auto message = device::decode_command(bytes);
    judge(message.body);
    return message;
  });
  Input for_answer(data, size);
  const auto answer = answer_from(for_answer);
  round_trip(answer, [](ByteView bytes) { return device::decode_answer(bytes); });
  return 0;
}
