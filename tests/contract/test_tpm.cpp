#include "tests/contract/test_tpm.h"

#include <cstdlib>

#include "daemon/base/error.h"
#include "tpm/handles.h"
#include "tpm/probe.h"

namespace holdfast::test {

std::string named_tpm() {
  const char* name = std::getenv("HOLDFAST_TPM_TCTI");
  return name != nullptr ? name : "";
}

TestTpm::TestTpm() : tcti_(named_tpm()) {
  if (tcti_.empty()) {
    own_ = std::make_unique<Swtpm>();
    tcti_ = own_->tcti();
    return;
  }
  const tpm::Tcti tcti(tcti_);
  const tpm::Context esys(tcti);
  tpm::start_up(esys.get());
  tpm::flush_leftovers(esys.get());  // probe() needs a slot
  if (!tpm::probe(esys.get(), tcti_).software)
    throw Error(ErrorKind::internal,
                "HOLDFAST_TPM_TCTI names a TPM that is not software: the tests would clear it");
  tpm::run("Esys_Clear", [&] {
    return Esys_Clear(esys.get(), ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE);
  });
}

}  // namespace holdfast::test
