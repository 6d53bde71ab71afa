// The X.509 certificates (RFC 5280) that others issued for a key version.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/clock.h"

namespace holdfast {

struct Certificate {
  std::vector<Bytes> chain;          // DER, the leaf first; each was issued by the next
  bool ends_in_root = false;         // the last issued itself
  Bytes public_key;                  // the leaf's, DER SubjectPublicKeyInfo
  std::string subject, issuer;       // of the leaf, RFC 4514, ASCII
  std::string serial;                // of the leaf, decimal
  SystemTime not_before, not_after;  // when all of the chain are valid
};

inline constexpr std::size_t kMostCertificates = 5;                 // of a chain
inline constexpr std::size_t kMostCertificateBytes = 16 * 1024;     // DER, all together
inline constexpr std::size_t kMostCertificateText = 64 * 1024 - 1;  // PEM

// Reads a PEM file of 1 to kMostCertificates certificates and nothing else, and checks that each was
// issued by the next, and that the leaf may sign (keyUsage, where it has one) and is no CA's. Whether
// they are valid now or trusted by anybody is not looked at. Throws Error{invalid_request}.
Certificate read_certificate(std::string_view pem);
std::string to_pem(const Certificate& certificate);

// Was the leaf issued for this key, DER SubjectPublicKeyInfo?
bool is_for(const Certificate& certificate, ByteView public_key);

// Throws Error{conflict} that says which it is, where the chain is not yet or no longer valid.
void demand_valid(const Certificate& certificate, SystemTime now);

}  // namespace holdfast
