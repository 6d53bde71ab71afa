// A machine whose storage root key is persistent.
#pragma once

#include <string>

#include "tpm/handles.h"
#include "tpm/key_file.h"
#include "tpm/srk.h"

namespace holdfast::test {

inline void make_root_persistent(const std::string& name) {
  const tpm::Tcti tcti(name);
  const tpm::Context esys(tcti);
  const tpm::Srk root = tpm::open_srk(esys.get());
  ESYS_TR persistent = ESYS_TR_NONE;
  tpm::run("Esys_EvictControl", [&] {
    return Esys_EvictControl(esys.get(), ESYS_TR_RH_OWNER, root.object.get(), ESYS_TR_PASSWORD,
                             ESYS_TR_NONE, ESYS_TR_NONE, tpm::kPersistentSrk, &persistent);
  });
}

}  // namespace holdfast::test
