#include "tpm/error.h"

#include <tss2/tss2_rc.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace holdfast::tpm {
namespace {

// A resource manager in user space passes the TPM's own codes on in a layer of its own.
bool is_from_tpm(TSS2_RC rc) noexcept {
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  return layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_TPM_RC_LAYER;
}

std::string with_code(std::string_view text, TSS2_RC rc) {
  std::array<char, 16> code;
  std::snprintf(code.data(), code.size(), " (0x%X: ", static_cast<unsigned>(rc));
  return std::string(text) + code.data() + Tss2_RC_Decode(rc) + ")";
}

struct Meaning {
  ErrorKind kind;
  std::string_view text;
};

constexpr Meaning kLost{
    ErrorKind::key_lost,
    "the key does not load: it was made by another TPM, or this one was cleared; see "
    "docs/recovery.md"};

constexpr Meaning kRefused{ErrorKind::key_lost,
                           "the TPM refuses the key's auth value: the key file has another one, or "
                           "the command was altered "
                           "on the way; see docs/recovery.md"};

// What ESAPI says of an answer whose HMAC or form is wrong.
bool is_altered(TSS2_RC rc) noexcept {
  const TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;
  return code == TSS2_BASE_RC_RSP_AUTH_FAILED || code == TSS2_BASE_RC_MALFORMED_RESPONSE ||
         code == TSS2_BASE_RC_INSUFFICIENT_RESPONSE;
}

Meaning meaning_of(TSS2_RC rc) noexcept {
  if (!is_from_tpm(rc)) {
    if (is_altered(rc))
      return {ErrorKind::device_unavailable,
              "the TPM's answer was altered on the way: something between processor and TPM is "
              "broken, or listens and writes; see docs/recovery.md"};
    return {ErrorKind::device_unavailable, "the connection to the TPM is broken"};
  }
  switch (base_code(rc)) {
    case TPM2_RC_INTEGRITY:
    case TPM2_RC_BINDING:
    case TPM2_RC_SENSITIVE:
    case TPM2_RC_ECC_POINT:
    case TPM2_RC_KEY:
      return kLost;

    case TPM2_RC_ASYMMETRIC:
    case TPM2_RC_SYMMETRIC:
    case TPM2_RC_CURVE:
    case TPM2_RC_HASH:
    case TPM2_RC_KDF:
    case TPM2_RC_KEY_SIZE:
    case TPM2_RC_MODE:
    case TPM2_RC_SCHEME:
    case TPM2_RC_TYPE:
    case TPM2_RC_COMMAND_CODE:
      return {ErrorKind::unsupported,
              "the TPM can't do this; choose another key type or algorithm"};

    case TPM2_RC_NV_SPACE:
      return {ErrorKind::unsupported,
              "the TPM has no room for another NV index: remove one that nothing needs "
              "(tpm2_getcap handles-nv-index, tpm2_nvundefine)"};

    case TPM2_RC_AUTH_FAIL:
    case TPM2_RC_BAD_AUTH:
    case TPM2_RC_AUTH_MISSING:
      return {
          ErrorKind::device_unavailable,
          "the TPM refuses the empty authorisation of its owner hierarchy or storage root key, or "
          "the command was altered on the way; see docs/recovery.md"};
    case TPM2_RC_LOCKOUT:
      return {
          ErrorKind::device_unavailable,
          "the TPM is locked out after failed authorisations of another program; it recovers by "
          "itself, or at once by tpm2_dictionarylockout --clear-lockout"};
    case TPM2_RC_INITIALIZE:
    case TPM2_RC_REFERENCE_H0:
    case TPM2_RC_REFERENCE_H1:
    case TPM2_RC_REFERENCE_H2:
    case TPM2_RC_REFERENCE_S0:
    case TPM2_RC_HANDLE:  // of the persistent storage root key, which was evicted or cleared away
      return {ErrorKind::device_unavailable, "the TPM was reset; it has to be opened again"};
    case TPM2_RC_FAILURE:
      return {ErrorKind::device_unavailable,
              "the TPM is in failure mode: power the machine off and on"};
    case TPM2_RC_DISABLED:
    case TPM2_RC_HIERARCHY:
      return {ErrorKind::device_unavailable,
              "the TPM's owner hierarchy is disabled: enable it in the firmware's setup"};
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_MEMORY:
      return {ErrorKind::device_unavailable,
              "the TPM has no free slot: another program keeps objects loaded; use the resource "
              "manager "
              "(device:/dev/tpmrm0)"};
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_CANCELED:
    case TPM2_RC_NV_RATE:
    case TPM2_RC_NV_UNAVAILABLE:
      return {ErrorKind::device_unavailable, "the TPM is busy; try again"};
    default:
      return {ErrorKind::internal, "the TPM refused a command"};
  }
}

[[noreturn]] void throw_meaning(const Meaning& meaning, std::string_view where, TSS2_RC rc) {
  throw Error(meaning.kind, with_code(meaning.text, rc), std::string(where), rc);
}

}  // namespace

TSS2_RC base_code(TSS2_RC rc) noexcept {
  if (!is_from_tpm(rc)) return rc;
  const TSS2_RC code = rc & ~TSS2_RC_LAYER_MASK;
  // Part 2 §6.6.3: format one keeps its number in the low six bits.
  return (code & TPM2_RC_FMT1) != 0 ? code & 0xBF : code & 0xFFF;
}

void check_rc(std::string_view where, TSS2_RC rc) {
  if (rc != TSS2_RC_SUCCESS) throw_meaning(meaning_of(rc), where, rc);
}

void check_use(std::string_view where, TSS2_RC rc) {
  const TSS2_RC code = base_code(rc);
  if (is_from_tpm(rc) && (code == TPM2_RC_AUTH_FAIL || code == TPM2_RC_BAD_AUTH))
    throw_meaning(kRefused, where, rc);
  check_rc(where, rc);
}

void check_load(std::string_view where, TSS2_RC rc) {
  constexpr TSS2_RC parameter = TPM2_RC_FMT1 | TPM2_RC_P;
  if (is_from_tpm(rc) && (rc & parameter) == parameter) throw_meaning(kLost, where, rc);
  check_rc(where, rc);
}

bool detail::wait_while_busy(TSS2_RC rc, int attempt) {
  switch (base_code(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
      break;
    default:
      return false;
  }
  constexpr int attempts = 30;
  if (attempt >= attempts) return false;
  std::this_thread::sleep_for(std::chrono::milliseconds(std::min(10 * (attempt + 1), 80)));
  return true;
}

}  // namespace holdfast::tpm
