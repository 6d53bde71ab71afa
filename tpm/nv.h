// A counter in the TPM's NV memory (TPM 2.0 Part 1 §37.2.4): the place of Anchor's value.
//
// The index is defined when it is first incremented: TPM_NT_COUNTER, ORDERLY (counted in RAM and written to NV
// memory at a shutdown, which saves it; after a power cut the TPM takes the next value that it can't have given yet),
// NO_DA, read and incremented by the empty auth value.
//
// Neither auth value nor policy keeps others from incrementing it, because none would: who may use the TPM may also
// undefine the index, with the owner hierarchy's empty password, and define it anew. What matters holds without: a
// counter starts above every value that one which was undefined ever had (Part 3 §31.8), so that nobody brings
// back an old value. A stranger's increment shows as a log that is behind its anchor until the next checkpoint: a
// false alarm, never a rollback that is hidden.
//
// TPM2_Clear removes the index, and some TPMs begin at 1 afterwards. It gives the TPM another storage root, too, so
// that no key made before signs: a value counts only together with such a key.
#pragma once

#include <cstdint>
#include <optional>

#include "tpm/handles.h"
#include "tpm/session.h"

namespace holdfast::tpm {

// Handles of indices that the TPM's owner hands out: TCG Registry of Reserved TPM 2.0 Handles §2.2.2.
inline constexpr std::uint32_t kFirstOwnerIndex = 0x01800000;
inline constexpr std::uint32_t kLastOwnerIndex = 0x01BFFFFF;
inline constexpr std::uint32_t kAnchorIndex = 0x01A04846;

class NvCounter {
 public:
  // `session` is of the same context, and both outlive this. `index` 0: there is none.
  NvCounter(ESYS_CONTEXT* esys, Session& session, std::uint32_t index)
      : esys_(esys), session_(session), index_(index) {}

  // nullopt: it is not defined, or was never incremented. Both throw as Anchor does.
  std::optional<std::uint64_t> read();
  std::uint64_t increment();

 private:
  std::optional<Object> find();
  Object define();
  std::optional<std::uint64_t> value_of(const Object& counter);

  ESYS_CONTEXT* esys_;
  Session& session_;
  std::uint32_t index_;
};

}  // namespace holdfast::tpm
