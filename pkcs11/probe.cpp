#include "pkcs11/probe.h"

#include <algorithm>

#include "pkcs11/algorithms.h"
#include "pkcs11/error.h"

namespace holdfast::pkcs11 {
namespace {

constexpr std::size_t kMostMechanisms = 4096;

std::vector<CK_MECHANISM_TYPE> mechanisms_of(const Token& token) {
  std::vector<CK_MECHANISM_TYPE> list(kMostMechanisms);
  CK_ULONG count = list.size();
  check_rv("C_GetMechanismList",
           token.functions().C_GetMechanismList(token.slot, list.data(), &count));
  if (count > list.size())
    throw_broken("C_GetMechanismList", "more mechanisms than there was room for");
  list.resize(count);
  return list;
}

// With which the token itself does `what`, for keys of `bits`; 0: of no particular size. Sizes are only
// believed where they are told (PKCS #11 v3.0 §3.3, ulMinKeySize).
class Mechanisms {
 public:
  explicit Mechanisms(const Token& token) : token_(token), list_(mechanisms_of(token)) {}

  bool has(CK_MECHANISM_TYPE type, CK_FLAGS what, CK_ULONG bits = 0) const {
    if (std::find(list_.begin(), list_.end(), type) == list_.end()) return false;
    CK_MECHANISM_INFO info{};
    if (token_.functions().C_GetMechanismInfo(token_.slot, type, &info) != CKR_OK) return false;
    if ((info.flags & what) == 0) return false;
    return bits == 0 || info.ulMaxKeySize == 0 ||
           (info.ulMinKeySize <= bits && bits <= info.ulMaxKeySize);
  }

 private:
  const Token& token_;
  std::vector<CK_MECHANISM_TYPE> list_;
};

CK_ULONG bits_of(KeyType type) {
  if (type == KeyType::ec_p256) return 256;
  if (type == KeyType::ec_p384) return 384;
  return modulus_bits(type);
}

bool has_algorithm(const Mechanisms& mechanisms, KeyType type, Algorithm algorithm) {
  return mechanisms.has(mechanism_of(algorithm), CKF_SIGN, bits_of(type));
}

bool has_type(const Mechanisms& mechanisms, KeyType type) {
  if (type == KeyType::hmac_sha256) return mechanisms.has(CKM_SHA256_HMAC, CKF_SIGN);
  const auto signs = algorithms_of(type);
  return mechanisms.has(generation_of(type), CKF_GENERATE_KEY_PAIR, bits_of(type)) &&
         std::any_of(signs.begin(), signs.end(), [&](Algorithm algorithm) {
           return has_algorithm(mechanisms, type, algorithm);
         });
}

}  // namespace

DeviceDescription probe(const Token& token) {
  DeviceDescription device;
  device.backend = "pkcs11";
  device.model = model_of(token.info);
  device.software = is_software(token.info);
  device.parent_name = identity_of(token.info);
  const Mechanisms mechanisms(token);
  const bool writable = (token.info.flags & CKF_WRITE_PROTECTED) == 0;
  for (const KeyType type : kTypes) {
    if (writable && has_type(mechanisms, type)) device.types.push_back(type);
    // A key that the token can't make may have been there before.
    for (const Algorithm algorithm : algorithms_of(type)) {
      auto& known = device.algorithms;
      if (std::find(known.begin(), known.end(), algorithm) == known.end() &&
          has_algorithm(mechanisms, type, algorithm))
        known.push_back(algorithm);
    }
  }
  return device;
}

}  // namespace holdfast::pkcs11
