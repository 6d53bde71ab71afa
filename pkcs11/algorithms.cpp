#include "pkcs11/algorithms.h"

#include "daemon/base/error.h"

namespace holdfast::pkcs11 {
namespace {

// Object identifiers in DER: prime256v1 and secp384r1 (RFC 5480 §2.1.1.1), id-Ed25519 (RFC 8410 §3).
constexpr std::array<std::uint8_t, 10> kP256Oid{0x06, 0x08, 0x2A, 0x86, 0x48,
                                                0xCE, 0x3D, 0x03, 0x01, 0x07};
constexpr std::array<std::uint8_t, 7> kP384Oid{0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22};
constexpr std::array<std::uint8_t, 5> kEd25519Oid{0x06, 0x03, 0x2B, 0x65, 0x70};

// DigestInfo of SHA-256 (RFC 8017 §9.2, note 1) before the digest.
constexpr std::array<std::uint8_t, 19> kSha256Info{0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60,
                                                   0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                                   0x01, 0x05, 0x00, 0x04, 0x20};

}  // namespace

CK_MECHANISM_TYPE mechanism_of(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256:
    case Algorithm::es384:
      return CKM_ECDSA;
    case Algorithm::rs256:
      return CKM_RSA_PKCS;
    case Algorithm::ps256:
      return CKM_RSA_PKCS_PSS;
    case Algorithm::eddsa:
      return CKM_EDDSA;
  }
  throw Error(ErrorKind::internal, "no such algorithm");
}

CK_MECHANISM_TYPE generation_of(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
    case KeyType::ec_p384:
      return CKM_EC_KEY_PAIR_GEN;
    case KeyType::rsa_2048:
    case KeyType::rsa_3072:
      return CKM_RSA_PKCS_KEY_PAIR_GEN;
    case KeyType::ed25519:
      return CKM_EC_EDWARDS_KEY_PAIR_GEN;
    case KeyType::hmac_sha256:
      break;
  }
  throw Error(ErrorKind::internal, "this type is not generated");
}

std::size_t signature_bytes(KeyType type, Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::es256:
    case Algorithm::eddsa:
      return 64;
    case Algorithm::es384:
      return 96;
    case Algorithm::rs256:
    case Algorithm::ps256:
      return modulus_bits(type) / 8;
  }
  return 0;
}

ByteView curve_of(KeyType type) {
  switch (type) {
    case KeyType::ec_p256:
      return kP256Oid;
    case KeyType::ec_p384:
      return kP384Oid;
    case KeyType::ed25519:
      return kEd25519Oid;
    default:
      return {};
  }
}

CK_ULONG modulus_bits(KeyType type) {
  if (type == KeyType::rsa_2048) return 2048;
  return type == KeyType::rsa_3072 ? 3072 : 0;
}

Signing::Signing(Algorithm algorithm, ByteView digest) : input_(digest.begin(), digest.end()) {
  mechanism_.mechanism = mechanism_of(algorithm);
  if (algorithm == Algorithm::rs256)
    input_.insert(input_.begin(), kSha256Info.begin(), kSha256Info.end());
  if (algorithm == Algorithm::ps256) {
    // RFC 7518 §3.5: the salt is as long as the digest.
    pss_.hash_alg = CKM_SHA256;
    pss_.mgf = CKG_MGF1_SHA256;
    pss_.s_len = 32;
    mechanism_.pParameter = &pss_;
    mechanism_.ulParameterLen = sizeof pss_;
  }
}

}  // namespace holdfast::pkcs11
