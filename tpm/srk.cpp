#include "tpm/srk.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <tss2/tss2_mu.h>

#include "tpm/probe.h"
#include "tpm/public_area.h"

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

// What who knows the owner hierarchy's password does once; the same key as without a password.
constexpr std::string_view kMakePersistent =
    "tpm2_createprimary -C o -P PASSWORD -g sha256 -G ecc256:aes128cfb -a "
    "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt' -c srk.ctx && "
    "tpm2_evictcontrol -C o -P PASSWORD -c srk.ctx 0x81000001";

struct FreeSerialised {
  void operator()(std::uint8_t* bytes) const { Esys_Free(bytes); }
};

Bytes name_known(ESYS_CONTEXT* esys, const Object& object) {
  Returned<TPM2B_NAME> name;
  check_rc("Esys_TR_GetName", Esys_TR_GetName(esys, object.get(), name.out()));
  return {name->name, name->name + name->size};
}

bool has_sha256_name(ESYS_CONTEXT* esys, const Object& object) {
  const Bytes name = name_known(esys, object);
  return name.size() == 34 && name[0] == TPM2_ALG_SHA256 >> 8 &&
         name[1] == (TPM2_ALG_SHA256 & 0xFF);
}

// Does ESAPI know the object by this very public area? It keeps it with the ESYS_TR, salts sessions with
// it, and shows it in no other way.
bool keeps(ESYS_CONTEXT* esys, const Object& object, const TPM2B_PUBLIC& area) {
  std::uint8_t* raw = nullptr;
  std::size_t size = 0;
  check_rc("Esys_TR_Serialize", Esys_TR_Serialize(esys, object.get(), &raw, &size));
  const std::unique_ptr<std::uint8_t, FreeSerialised> serialised(raw);
  Bytes wanted(sizeof(area.publicArea));
  std::size_t length = 0;
  check_rc("Tss2_MU_TPMT_PUBLIC_Marshal",
           Tss2_MU_TPMT_PUBLIC_Marshal(&area.publicArea, wanted.data(), wanted.size(), &length));
  wanted.resize(length);
  return std::search(raw, raw + size, wanted.begin(), wanted.end()) != raw + size;
}

Srk known(ESYS_CONTEXT* esys, Object object, TPM2_HANDLE parent) {
  Returned<TPM2B_PUBLIC> area;
  run("Esys_ReadPublic", [&] {
    return Esys_ReadPublic(esys, object.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, area.out(),
                           nullptr, nullptr);
  });
  Bytes right = name_of(*area);
  if (right != name_known(esys, object) || !keeps(esys, object, *area))
    throw Error(ErrorKind::device_unavailable,
                "the storage root key's Name is not that of its public area: the TPM's answer was "
                "altered on the way; see docs/recovery.md");
  return {std::move(object), parent, *area, std::move(right)};
}

bool is_usable(const TPMT_PUBLIC& area) {
  const TPMA_OBJECT attributes = area.objectAttributes;
  return (attributes & kStorage) == kStorage && (attributes & TPMA_OBJECT_SIGN_ENCRYPT) == 0;
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
    if (has_sha256_name(esys, object)) {
      Srk srk = known(esys, std::move(object), kPersistentSrk);
      if (is_usable(srk.public_area.publicArea)) return srk;
    }
  }
  // A failed authorisation is not even tried.
  if (has_owner_auth(esys))
    throw Error(
        ErrorKind::device_unavailable,
        "the TPM's owner hierarchy has a password, and no storage root key is persistent at "
        "0x81000001; who knows the password makes one: " +
            std::string(kMakePersistent));

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
  return known(esys, Object(esys, handle, Object::Kind::transient), kTemplateSrk);
}

}  // namespace holdfast::tpm
