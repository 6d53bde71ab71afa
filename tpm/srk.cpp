#include "tpm/srk.h"

#include "tpm/probe.h"

namespace holdfast::tpm {
namespace {

constexpr TPMA_OBJECT kStorage = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                 TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                 TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;

// `unique` stays empty: 32 zero bytes in it would make another key.
TPM2B_PUBLIC srk_template() {
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_ECC;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = kStorage;
  TPMS_ECC_PARMS& ecc = key.parameters.eccDetail;
  ecc.symmetric.algorithm = TPM2_ALG_AES;
  ecc.symmetric.keyBits.aes = 128;
  ecc.symmetric.mode.aes = TPM2_ALG_CFB;
  ecc.scheme.scheme = TPM2_ALG_NULL;
  ecc.curveID = TPM2_ECC_NIST_P256;
  ecc.kdf.scheme = TPM2_ALG_NULL;
  return area;
}

Srk with_name(ESYS_CONTEXT* esys, Object object, TPM2_HANDLE parent) {
  Returned<TPM2B_NAME> name;
  check_rc("Esys_TR_GetName", Esys_TR_GetName(esys, object.get(), name.out()));
  return {std::move(object), parent, Bytes(name->name, name->name + name->size)};
}

bool is_usable(ESYS_CONTEXT* esys, const Object& object) {
  Returned<TPM2B_PUBLIC> area;
  run("Esys_ReadPublic", [&] {
    return Esys_ReadPublic(esys, object.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, area.out(),
                           nullptr, nullptr);
  });
  const TPMA_OBJECT attributes = area->publicArea.objectAttributes;
  return (attributes & kStorage) == kStorage && (attributes & TPMA_OBJECT_SIGN_ENCRYPT) == 0 &&
         area->publicArea.nameAlg == TPM2_ALG_SHA256;
}

}  // namespace

Srk open_srk(ESYS_CONTEXT* esys) {
  if (has_handle(esys, kPersistentSrk)) {
    ESYS_TR handle = ESYS_TR_NONE;
    run("Esys_TR_FromTPMPublic", [&] {
      return Esys_TR_FromTPMPublic(esys, kPersistentSrk, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                   &handle);
    });
    Object object(esys, handle, Object::Kind::persistent);
    if (is_usable(esys, object)) return with_name(esys, std::move(object), kPersistentSrk);
  }

  const TPM2B_PUBLIC area = srk_template();
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION pcrs{};
  ESYS_TR handle = ESYS_TR_NONE;
  run("Esys_CreatePrimary", [&] {
    return Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                              &sensitive, &area, &outside, &pcrs, &handle, nullptr, nullptr,
                              nullptr, nullptr);
  });
  return with_name(esys, Object(esys, handle, Object::Kind::transient), kTemplateSrk);
}

}  // namespace holdfast::tpm
