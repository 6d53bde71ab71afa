#include "daemon/key/sigv4a.h"

#include <cstring>
#include <string>

#include "daemon/base/error.h"
#include "daemon/base/openssl.h"
#include "daemon/key/pkcs8.h"

namespace holdfast {
namespace {

constexpr std::string_view kPrefix = "AWS4A";
constexpr int kMostCounter = 254;
// n - 2, of P-256's order n (FIPS 186-4 §D.1.2.3): a private key is 1 to n - 1.
constexpr std::array<std::uint8_t, 32> kLargest = {
    0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
    0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x4F};
// RFC 5915 §3, without the public key, around the 32 bytes of the private one.
constexpr std::array<std::uint8_t, 7> kSec1Head = {0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20};
constexpr std::array<std::uint8_t, 12> kSec1Curve = {0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                                     0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};

// Big-endian numbers of one size; the time it takes says nothing of them.
bool is_larger(ByteView number, ByteView than) {
  unsigned borrow = 0;
  for (std::size_t i = number.size(); i-- > 0;)
    borrow = (unsigned{than[i]} - number[i] - borrow) >> 8 & 1;
  return borrow != 0;
}

void add_one(std::span<std::uint8_t> number) {
  unsigned carry = 1;
  for (std::size_t i = number.size(); i-- > 0;) {
    carry += number[i];
    number[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
}

std::string fixed_input(std::string_view access_key_id, int counter) {
  using namespace std::string_view_literals;
  std::string input("\0\0\0\1AWS4-ECDSA-P256-SHA256\0"sv);
  input.append(access_key_id).push_back(static_cast<char>(counter));
  return input.append("\0\0\1\0"sv);  // of 256 bits
}

Secret private_number(std::string_view access_key_id, const Secret& secret_access_key) {
  Secret key(kPrefix.size() + secret_access_key.size());
  std::memcpy(key.writable().data(), kPrefix.data(), kPrefix.size());
  std::memcpy(key.writable().data() + kPrefix.size(), secret_access_key.view().data(),
              secret_access_key.size());
  for (int counter = 1; counter <= kMostCounter; ++counter) {
    Secret number = hmac_sha256(key.view(), as_bytes(fixed_input(access_key_id, counter)));
    if (is_larger(number.view(), kLargest)) continue;
    add_one(number.writable());
    return number;
  }
  throw Error(ErrorKind::invalid_request, "secret_access_key: no key can be derived from it");
}

}  // namespace

PrivateKey derive_sigv4a_key(std::string_view access_key_id, const Secret& secret_access_key) {
  const Secret number = private_number(access_key_id, secret_access_key);
  Secret sec1(kSec1Head.size() + number.size() + kSec1Curve.size());
  auto* out = sec1.writable().data();
  std::memcpy(out, kSec1Head.data(), kSec1Head.size());
  std::memcpy(out + kSec1Head.size(), number.view().data(), number.size());
  std::memcpy(out + kSec1Head.size() + number.size(), kSec1Curve.data(), kSec1Curve.size());
  const unsigned char* at = sec1.view().data();
  const EvpPkey key(d2i_PrivateKey(EVP_PKEY_EC, nullptr, &at, static_cast<long>(sec1.size())));
  if (!key) throw_openssl("d2i_PrivateKey");
  return {KeyType::ec_p256, to_pkcs8(key.get())};
}

}  // namespace holdfast
