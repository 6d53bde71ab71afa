#include <gtest/gtest.h>

#include <functional>

#include "daemon/device/message.h"

namespace holdfast::device {
namespace {

Bytes filled(std::size_t size) {
  return Bytes(size, 0x5A);
}

std::vector<Wire> every_command() {
  std::vector<Wire> wires;
  wires.push_back(encode(1, Create{KeyType::rsa_3072}));
  wires.push_back(encode(2, ImportSecret{Secret(as_bytes("AWS4wJalrXUtnFEMI"))}));
  wires.push_back(encode(3, Sign{filled(200), Algorithm::es256, filled(32)}));
  wires.push_back(encode(4, Mac{filled(200), {filled(8), filled(9), {}}}));
  wires.push_back(encode(5, Remove{filled(3)}));
  wires.push_back(encode(6, Check{}));
  wires.push_back(encode(7, ImportPrivateKey{KeyType::ec_p384, Secret(filled(185))}));
  wires.push_back(encode(8, Enrol{"pkcs11:token=t;object=k"}));
  wires.push_back(encode(9, Sign{filled(20), Algorithm::eddsa, filled(65)}));
  wires.push_back(encode(10, ReadAnchor{}));
  wires.push_back(encode(11, IncrementAnchor{}));
  return wires;
}

std::vector<Wire> every_answer() {
  DeviceDescription description;
  description.backend = "tpm";
  description.model = "libtpms é";
  description.parent_name = "000b";
  description.types = {KeyType::ec_p256, KeyType::hmac_sha256};
  description.algorithms = {Algorithm::es256};
  description.commands_in_flight = 2;
  std::vector<Wire> wires;
  wires.push_back(encode(1, Failure{ErrorKind::key_lost, -7, "it does not load"}));
  wires.push_back(encode(2, DeviceKey{filled(200), filled(91)}));
  wires.push_back(encode(3, Signature{filled(64)}));
  wires.push_back(encode(4, Secret(filled(32))));
  wires.push_back(encode(5, Removed{}));
  wires.push_back(encode(0, Ready{description}));
  wires.push_back(encode(0, Unavailable{"no such device"}));
  wires.push_back(encode(6, EnrolledKey{KeyType::rsa_2048, {filled(40), filled(294)}, true}));
  wires.push_back(encode(7, AnchorState{}));
  wires.push_back(encode(8, AnchorState{0x0102030405060708}));
  return wires;
}

using Decode = std::function<void(ByteView)>;
const Decode kAsCommand = [](ByteView wire) { decode_command(wire); };
const Decode kAsAnswer = [](ByteView wire) { decode_answer(wire); };

// True if it was taken; anything but Error{invalid_request} is a failure.
bool takes(const Decode& decode, ByteView wire) {
  try {
    decode(wire);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return false;
  }
}

TEST(DeviceMessage, CommandsComeOutAsTheyWentIn) {
  const Wire wire = encode(77, Mac{filled(200), {filled(8), filled(1024), {}}});
  const auto message = decode_command(wire);
  EXPECT_EQ(message.id, 77U);
  const auto& mac = std::get<Mac>(message.body);
  EXPECT_EQ(mac.object, filled(200));
  EXPECT_EQ(mac.chain, (std::vector<Bytes>{filled(8), filled(1024), {}}));

  const auto import = decode_command(encode(1, ImportSecret{Secret(as_bytes("secret"))}));
  EXPECT_EQ(as_text(std::get<ImportSecret>(import.body).secret.view()), "secret");
  const auto key =
      decode_command(encode(1, ImportPrivateKey{KeyType::rsa_3072, Secret(as_bytes("pkcs8"))}));
  EXPECT_EQ(std::get<ImportPrivateKey>(key.body).type, KeyType::rsa_3072);
  EXPECT_EQ(as_text(std::get<ImportPrivateKey>(key.body).pkcs8.view()), "pkcs8");
  const auto sign = decode_command(encode(1, Sign{filled(9), Algorithm::ps256, filled(32)}));
  EXPECT_EQ(std::get<Sign>(sign.body).algorithm, Algorithm::ps256);
  EXPECT_EQ(std::get<Sign>(sign.body).digest, filled(32));
  const auto enrol = decode_command(encode(1, Enrol{"pkcs11:object=é"}));
  EXPECT_EQ(std::get<Enrol>(enrol.body).uri, "pkcs11:object=é");
}

TEST(DeviceMessage, AnswersComeOutAsTheyWentIn) {
  const auto failure = decode_answer(encode(9, Failure{ErrorKind::key_lost, -7, "gone"}));
  EXPECT_EQ(failure.id, 9U);
  EXPECT_EQ(std::get<Failure>(failure.body).kind, ErrorKind::key_lost);
  EXPECT_EQ(std::get<Failure>(failure.body).native_code, -7);
  EXPECT_EQ(std::get<Failure>(failure.body).detail, "gone");

  for (const bool always_secret : {false, true}) {
    const auto enrolled = decode_answer(
        encode(9, EnrolledKey{KeyType::ec_p384, {filled(40), filled(120)}, always_secret}));
    const auto& key = std::get<EnrolledKey>(enrolled.body);
    EXPECT_EQ(key.type, KeyType::ec_p384);
    EXPECT_EQ(key.key.object, filled(40));
    EXPECT_EQ(key.key.public_key, filled(120));
    EXPECT_EQ(key.always_secret, always_secret);
  }

  for (const std::optional<std::uint64_t> value :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(UINT64_MAX)}) {
    const auto anchor = decode_answer(encode(9, AnchorState{value}));
    EXPECT_EQ(std::get<AnchorState>(anchor.body).value, value);
  }

  DeviceDescription description;
  description.model = "chip";
  description.software = true;
  description.types = {KeyType::ed25519};
  description.algorithms = {Algorithm::eddsa, Algorithm::es256};
  description.commands_in_flight = 3;
  description.parallel = 4;
  description.lockout_counter = 5;
  description.encrypted_sessions = true;
  description.anchor = true;
  const auto ready = decode_answer(encode(0, Ready{description}));
  const DeviceDescription& read = std::get<Ready>(ready.body).description;
  EXPECT_EQ(read.model, "chip");
  EXPECT_TRUE(read.software);
  EXPECT_EQ(read.types, description.types);
  EXPECT_EQ(read.algorithms, description.algorithms);
  EXPECT_EQ(read.commands_in_flight, 3U);
  EXPECT_EQ(read.parallel, 4U);
  EXPECT_EQ(read.lockout_counter, 5U);
  EXPECT_TRUE(read.encrypted_sessions);
  EXPECT_TRUE(read.anchor);
}

TEST(DeviceMessage, RefusesEveryTruncationAndEveryExtension) {
  const auto check = [](const std::vector<Wire>& wires, const Decode& decode) {
    for (Wire wire : wires) {
      EXPECT_TRUE(takes(decode, wire));
      for (std::size_t size = 0; size < wire.size(); ++size)
        EXPECT_FALSE(takes(decode, ByteView(wire.data(), size)));
      wire.push_back(0);
      EXPECT_FALSE(takes(decode, wire));
    }
  };
  check(every_command(), kAsCommand);
  check(every_answer(), kAsAnswer);
}

TEST(DeviceMessage, AnyByteChangedGivesAMessageOrARefusalAndNothingElse) {
  const auto check = [](const std::vector<Wire>& wires, const Decode& decode) {
    for (Wire wire : wires)
      for (std::uint8_t& byte : wire) {
        const std::uint8_t original = byte;
        for (unsigned change = 1; change < 256; ++change) {
          byte = static_cast<std::uint8_t>(original ^ change);
          const bool taken = takes(decode, wire);
          if (&byte < wire.data() + 3) {
            EXPECT_FALSE(taken) << "magic number or version changed";
          }
        }
        byte = original;
      }
  };
  check(every_command(), kAsCommand);
  check(every_answer(), kAsAnswer);
}

TEST(DeviceMessage, EachDirectionHasItsOwnKinds) {
  for (const Wire& wire : every_command()) EXPECT_FALSE(takes(kAsAnswer, wire));
  for (const Wire& wire : every_answer()) EXPECT_FALSE(takes(kAsCommand, wire));
}

TEST(DeviceMessage, RefusesFieldsOverTheirBounds) {
  EXPECT_THROW(encode(1, Sign{filled(kMostObjectBytes + 1), Algorithm::es256, filled(32)}), Error);
  EXPECT_THROW(encode(1, Mac{{}, std::vector<Bytes>(kMostChainLinks + 1)}), Error);
  EXPECT_THROW(encode(1, Mac{{}, {filled(kMostLinkBytes + 1)}}), Error);
  EXPECT_THROW(encode(1, ImportSecret{Secret(filled(kMostSecretBytes + 1))}), Error);
  EXPECT_THROW(encode(1, ImportPrivateKey{KeyType::ec_p256, Secret(filled(kMostPkcs8Bytes + 1))}),
               Error);
  EXPECT_THROW(encode(1, Enrol{std::string(kMostUriBytes + 1, 'x')}), Error);
  EXPECT_THROW(encode(1, Enrol{"pkcs11:object=\xFF"}), Error);
  EXPECT_FALSE(takes(kAsCommand, filled(kMostMessageBytes + 1)));
}

TEST(DeviceMessage, TakesAWholeMessageForEddsaAndADigestForAllElse) {
  const Wire largest =
      encode(1, Sign{filled(kMostObjectBytes), Algorithm::eddsa, filled(kMostEddsaMessageBytes)});
  EXPECT_LE(largest.size(), kMostMessageBytes);
  const auto message = decode_command(largest);
  EXPECT_EQ(std::get<Sign>(message.body).digest, filled(kMostEddsaMessageBytes));
  EXPECT_THROW(encode(1, Sign{{}, Algorithm::eddsa, filled(kMostEddsaMessageBytes + 1)}), Error);

  constexpr std::size_t kAlgorithmAt = 12 + 4 + 3;  // behind the header and an object of 3 bytes
  for (const Algorithm other :
       {Algorithm::es256, Algorithm::es384, Algorithm::rs256, Algorithm::ps256}) {
    EXPECT_THROW(encode(1, Sign{filled(3), other, filled(65)}), Error) << to_string(other);
    Wire wire = encode(1, Sign{filled(3), Algorithm::eddsa, filled(65)});
    ASSERT_EQ(wire[kAlgorithmAt], static_cast<std::uint8_t>(Algorithm::eddsa));
    wire[kAlgorithmAt] = static_cast<std::uint8_t>(other);
    EXPECT_FALSE(takes(kAsCommand, wire)) << to_string(other);
  }
}

TEST(DeviceMessage, WritesNoMacThatTheOtherSideWouldRefuse) {
  for (const std::size_t size : {0, 31, 33})
    EXPECT_THROW(encode(1, Answer(Secret(filled(size)))), Error) << size;
}

TEST(DeviceMessage, ALyingLengthIsRefusedBeforeItIsBelieved) {
  Wire wire = encode(1, Remove{filled(3)});
  for (std::size_t i = 12; i < 16; ++i) wire[i] = 0xFF;
  EXPECT_FALSE(takes(kAsCommand, wire));
}

TEST(DeviceMessage, TextsOfAVendorsLibraryAreMadeToFit) {
  const auto odd = decode_answer(encode(1, Failure{ErrorKind::internal, 0, "bad \xFF byte\n"}));
  EXPECT_EQ(std::get<Failure>(odd.body).detail, "\"bad \\xff byte\\n\"");
  const auto lengthy = decode_answer(encode(0, Unavailable{std::string(511, 'x') + "éé"}));
  EXPECT_EQ(std::get<Unavailable>(lengthy.body).reason, std::string(511, 'x'));
}

TEST(DeviceMessage, EveryKindOfErrorThatABackendHasArrivesAsItIs) {
  for (const ErrorKind kind :
       {ErrorKind::unsupported, ErrorKind::key_lost, ErrorKind::device_unavailable,
        ErrorKind::invalid_request, ErrorKind::conflict, ErrorKind::internal}) {
    const auto message = decode_answer(encode(1, Failure{kind, 0, ""}));
    EXPECT_EQ(std::get<Failure>(message.body).kind, kind);
  }
}

TEST(DeviceMessage, AKindOfErrorThatNoBackendHasBecomesInternal) {
  const auto message = decode_answer(encode(1, Failure{ErrorKind::not_permitted, 0, ""}));
  EXPECT_EQ(std::get<Failure>(message.body).kind, ErrorKind::internal);
}

}  // namespace
}  // namespace holdfast::device
