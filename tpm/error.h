// TSS2_RC, translated once. Format: TPM 2.0 Part 2 §6.6 for the TPM's own codes, the TSS 2.0
// Overview and Common Structures §2.3 for the layers above it.
#pragma once

#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include <string_view>
#include <utility>

#include "daemon/base/error.h"

namespace holdfast::tpm {

// The TPM's code without the number of the handle, session or parameter it complains of.
TSS2_RC base_code(TSS2_RC rc) noexcept;

// Throws the Error that `rc` means unless it is success. Anything that is not the TPM's own answer
// is device_unavailable, because ESAPI's context is dead after it.
void check_rc(std::string_view where, TSS2_RC rc);

// For a failure that is an answer: true on success, false on one of `codes` (as base_code gives
// them).
template <TSS2_RC... codes>
bool check_rc_expecting(std::string_view where, TSS2_RC rc) {
  if (((base_code(rc) == codes) || ...)) return false;
  check_rc(where, rc);
  return true;
}

// For a command that a key authorises: where the TPM refuses its auth value the key is lost, and asking
// again would not help.
void check_use(std::string_view where, TSS2_RC rc);

// For TPM2_Load: a parameter that the TPM refuses is a blob of another device or a damaged one.
void check_load(std::string_view where, TSS2_RC rc);

namespace detail {
// Sleeps before attempt number `attempt`; false if `rc` is final or patience (about 2 s) is at an
// end.
bool wait_while_busy(TSS2_RC rc, int attempt);
}  // namespace detail

// One command, given again while the TPM says RETRY, YIELDED or TESTING. ESAPI itself does so five
// times without a pause, which a self-test outlasts. Nothing else is ever repeated: a repeated
// failed authorisation counts towards lockout.
template <class Command>
TSS2_RC submit(Command&& command) {
  TSS2_RC rc = command();
  for (int attempt = 0; detail::wait_while_busy(rc, attempt); ++attempt) rc = command();
  return rc;
}

template <class Command>
void run(std::string_view where, Command&& command) {
  check_rc(where, submit(std::forward<Command>(command)));
}

}  // namespace holdfast::tpm
