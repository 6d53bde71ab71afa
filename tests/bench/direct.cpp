#include "tests/bench/direct.h"

#include <tss2/tss2_esys.h>

#include <cstdlib>

#include "tpm/handles.h"
#include "tpm/probe.h"
#include "tpm/public_area.h"

namespace holdfast::bench {

// A primary key of the backend's own template signs as fast as one below the storage root.
Samples sign_directly(const std::string& tcti, double seconds, int processor) {
  ::setenv("TSS2_LOG", "all+none", 0);
  pin(processor);
  const tpm::Tcti way(tcti);
  const tpm::Context context(way);
  ESYS_CONTEXT* esys = context.get();
  tpm::start_up(esys);
  tpm::flush_leftovers(esys);

  const TPM2B_PUBLIC area = *tpm::public_template(KeyType::ec_p256);
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION pcrs{};
  ESYS_TR handle = ESYS_TR_NONE;
  tpm::run("Esys_CreatePrimary", [&] {
    return Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                              &sensitive, &area, &outside, &pcrs, &handle, nullptr, nullptr,
                              nullptr, nullptr);
  });
  const tpm::Object key(esys, handle, tpm::Object::Kind::transient);

  TPM2B_DIGEST digest{};
  digest.size = 32;
  const TPMT_SIG_SCHEME scheme =
      area.publicArea.parameters.eccDetail.scheme.scheme == TPM2_ALG_ECDSA
          ? TPMT_SIG_SCHEME{TPM2_ALG_ECDSA, {.ecdsa = {TPM2_ALG_SHA256}}}
          : TPMT_SIG_SCHEME{};
  const TPMT_TK_HASHCHECK ticket{TPM2_ST_HASHCHECK, TPM2_RH_NULL, {}};
  Samples samples;
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration<double>(seconds);
  for (auto now = start; now < end;) {
    digest.buffer[0] = static_cast<BYTE>(digest.buffer[0] + 1);
    tpm::Returned<TPMT_SIGNATURE> signature;
    tpm::run("Esys_Sign", [&] {
      return Esys_Sign(esys, key.get(), ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &digest,
                       &scheme, &ticket, signature.out());
    });
    const auto then = Clock::now();
    samples.add(then - now);
    now = then;
  }
  samples.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return samples;
}

}  // namespace holdfast::bench
