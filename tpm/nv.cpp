#include "tpm/nv.h"

#include <cstdio>
#include <string>

#include "tpm/probe.h"

namespace holdfast::tpm {
namespace {

constexpr UINT16 kCounterBytes = 8;
// What an index has to have to be our counter; others may have made it, and with more attributes.
constexpr TPMA_NV kNeeded = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHREAD |
                            TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA;
constexpr TPMA_NV kAttributes = kNeeded | TPMA_NV_ORDERLY | TPMA_NV_OWNERREAD;

std::string hex(std::uint32_t index) {
  char text[11];
  std::snprintf(text, sizeof text, "0x%08X", index);
  return text;
}

bool is_counter(const TPMS_NV_PUBLIC& area) {
  return (area.attributes & (kNeeded | TPMA_NV_TPM2_NT_MASK)) == kNeeded &&
         area.dataSize == kCounterBytes;
}

}  // namespace

std::optional<std::uint64_t> NvCounter::read() {
  const std::optional<Object> counter = find();
  return counter ? value_of(*counter) : std::nullopt;
}

std::uint64_t NvCounter::increment() {
  std::optional<Object> found = find();
  const Object counter = found ? std::move(*found) : define();
  const ESYS_TR session = session_.authorise(false, Session::Encrypt::neither);
  run("Esys_NV_Increment", [&] {
    return Esys_NV_Increment(esys_, counter.get(), counter.get(), session, ESYS_TR_NONE,
                             ESYS_TR_NONE);
  });
  const std::optional<std::uint64_t> value = value_of(counter);
  if (!value)
    throw Error(ErrorKind::internal, "the counter was incremented and has no value",
                "Esys_NV_Read");
  return *value;
}

// Looked up each time: an index that another program defined anew has another Name.
std::optional<Object> NvCounter::find() {
  if (index_ == 0)
    throw Error(ErrorKind::unsupported,
                "the configuration gives this TPM no counter (anchor_index = 0)");
  if (!has_handle(esys_, index_)) return std::nullopt;
  ESYS_TR handle = ESYS_TR_NONE;
  run("Esys_TR_FromTPMPublic", [&] {
    return Esys_TR_FromTPMPublic(esys_, index_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle);
  });
  Object counter(esys_, handle, Object::Kind::persistent);
  Returned<TPM2B_NV_PUBLIC> area;
  run("Esys_NV_ReadPublic", [&] {
    return Esys_NV_ReadPublic(esys_, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, area.out(),
                              nullptr);
  });
  if (!is_counter(area->nvPublic))
    throw Error(ErrorKind::conflict, "the TPM's NV index " + hex(index_) +
                                         " is another program's: give the device another one "
                                         "with anchor_index, or 0 to do without");
  return counter;
}

Object NvCounter::define() {
  // A failed authorisation is not even tried.
  if (has_owner_auth(esys_))
    throw Error(ErrorKind::unsupported,
                "the TPM's owner hierarchy has a password, so that the counter can't be made; who "
                "knows the password makes it: tpm2_nvdefine -C o -P PASSWORD -a "
                "'nt=counter|orderly|no_da|authread|authwrite|ownerread' " +
                    hex(index_));
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = index_;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = kAttributes;
  area.nvPublic.dataSize = kCounterBytes;
  const TPM2B_AUTH no_auth{};
  const ESYS_TR session = session_.authorise(false, Session::Encrypt::command);
  ESYS_TR handle = ESYS_TR_NONE;
  run("Esys_NV_DefineSpace", [&] {
    return Esys_NV_DefineSpace(esys_, ESYS_TR_RH_OWNER, session, ESYS_TR_NONE, ESYS_TR_NONE,
                               &no_auth, &area, &handle);
  });
  return {esys_, handle, Object::Kind::persistent};
}

std::optional<std::uint64_t> NvCounter::value_of(const Object& counter) {
  const ESYS_TR session = session_.authorise(false, Session::Encrypt::answer);
  Returned<TPM2B_MAX_NV_BUFFER> data;
  const TSS2_RC rc = submit([&] {
    return Esys_NV_Read(esys_, counter.get(), counter.get(), session, ESYS_TR_NONE, ESYS_TR_NONE,
                        kCounterBytes, 0, data.out());
  });
  if (!check_rc_expecting<TPM2_RC_NV_UNINITIALIZED>("Esys_NV_Read", rc)) return std::nullopt;
  if (data->size != kCounterBytes)
    throw Error(ErrorKind::internal, "the TPM gave a counter of another size", "Esys_NV_Read");
  std::uint64_t value = 0;
  for (UINT16 i = 0; i < data->size; ++i) value = value << 8 | data->buffer[i];
  return value;
}

}  // namespace holdfast::tpm
