#include "tpm/probe.h"

#include <algorithm>
#include <array>
#include <set>

#include "tpm/algorithms.h"
#include "tpm/pss.h"
#include "tpm/public_area.h"

namespace holdfast::tpm {
namespace {

TSS2_RC get_capability(ESYS_CONTEXT* esys, TPM2_CAP capability, UINT32 property, UINT32 count,
                       Returned<TPMS_CAPABILITY_DATA>& data) {
  TPMI_YES_NO more = TPM2_NO;
  const TSS2_RC rc = submit([&] {
    return Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, capability, property,
                              count, &more, data.out());
  });
  // ESAPI takes an answer about another capability too, whose list is another member of the union.
  if (rc == TSS2_RC_SUCCESS && data->capability != capability)
    return TSS2_ESYS_RC_MALFORMED_RESPONSE;
  return rc;
}

// 0 where the TPM doesn't know the property.
std::uint32_t property(ESYS_CONTEXT* esys, TPM2_PT wanted) {
  Returned<TPMS_CAPABILITY_DATA> data;
  check_rc("Esys_GetCapability", get_capability(esys, TPM2_CAP_TPM_PROPERTIES, wanted, 1, data));
  const TPML_TAGGED_TPM_PROPERTY& found = data->data.tpmProperties;
  return found.count == 1 && found.tpmProperty[0].property == wanted ? found.tpmProperty[0].value
                                                                     : 0;
}

TPML_HANDLE handles_from(ESYS_CONTEXT* esys, TPM2_HANDLE first, UINT32 count) {
  Returned<TPMS_CAPABILITY_DATA> data;
  check_rc("Esys_GetCapability", get_capability(esys, TPM2_CAP_HANDLES, first, count, data));
  return data->data.handles;
}

bool has_command(ESYS_CONTEXT* esys, TPM2_CC command) {
  Returned<TPMS_CAPABILITY_DATA> data;
  check_rc("Esys_GetCapability", get_capability(esys, TPM2_CAP_COMMANDS, command, 1, data));
  const TPML_CCA& found = data->data.command;
  return found.count == 1 && (found.commandAttributes[0] & TPMA_CC_COMMANDINDEX_MASK) == command;
}

// Properties hold four characters each, padded with NUL or space.
std::string text_of(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char c = static_cast<char>(value >> shift & 0xFF);
    if (c >= 0x20 && c < 0x7F) text += c;
  }
  return text;
}

bool has_type(ESYS_CONTEXT* esys, KeyType type) {
  const TPM2B_PUBLIC area = *public_template(type);
  const TPMT_PUBLIC_PARMS parameters{area.publicArea.type, area.publicArea.parameters};
  const bool known = check_rc_expecting<TPM2_RC_ASYMMETRIC, TPM2_RC_CURVE, TPM2_RC_HASH,
                                        TPM2_RC_KDF, TPM2_RC_KEY_SIZE, TPM2_RC_SCHEME,
                                        TPM2_RC_SYMMETRIC, TPM2_RC_TYPE, TPM2_RC_VALUE>(
      "Esys_TestParms", submit([&] {
        return Esys_TestParms(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &parameters);
      }));
  return known && (type != KeyType::hmac_sha256 || has_command(esys, TPM2_CC_HMAC));
}

std::vector<Algorithm> algorithms(ESYS_CONTEXT* esys, const std::vector<KeyType>& types) {
  std::set<Algorithm> known;
  for (const KeyType type : types) {
    const auto signs = algorithms_of(type);
    known.insert(signs.begin(), signs.end());
  }
  if (known.contains(Algorithm::ps256) && !signs_ps256(esys)) known.erase(Algorithm::ps256);
  return {known.begin(), known.end()};
}

// The two simulators there are, by what they call themselves or by the way to them; a virtual TPM
// of a hypervisor is one of them too.
bool is_software(std::string_view tcti, std::string_view manufacturer, std::string_view vendor) {
  return tcti.starts_with("swtpm") || tcti.starts_with("mssim") || tcti.starts_with("libtpms") ||
         (manufacturer.starts_with("IBM") && vendor.starts_with("SW")) ||
         manufacturer.starts_with("MSFT") || vendor.starts_with("xCG");
}

std::string version(std::uint32_t first, std::uint32_t second) {
  return std::to_string(first >> 16) + '.' + std::to_string(first & 0xFFFF) + '.' +
         std::to_string(second >> 16) + '.' + std::to_string(second & 0xFFFF);
}

}  // namespace

void start_up(ESYS_CONTEXT* esys) {
  Returned<TPMS_CAPABILITY_DATA> data;
  const TSS2_RC rc = get_capability(esys, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER, 1, data);
  if (!check_rc_expecting<TPM2_RC_INITIALIZE>("Esys_GetCapability", rc))
    // Another program may have been quicker: INITIALIZE then means started already.
    check_rc_expecting<TPM2_RC_INITIALIZE>(
        "Esys_Startup", submit([&] { return Esys_Startup(esys, TPM2_SU_CLEAR); }));
}

void flush_leftovers(ESYS_CONTEXT* esys) {
  for (const TPM2_HANDLE first : {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST}) {
    const TPML_HANDLE left = handles_from(esys, first, TPM2_MAX_CAP_HANDLES);
    for (UINT32 i = 0; i < left.count; ++i) {
      ESYS_TR handle = ESYS_TR_NONE;
      run("Esys_TR_FromTPMPublic", [&] {
        return Esys_TR_FromTPMPublic(esys, left.handle[i], ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     &handle);
      });
      Object(esys, handle, Object::Kind::transient);
    }
  }
}

bool has_handle(ESYS_CONTEXT* esys, TPM2_HANDLE handle) {
  const TPML_HANDLE found = handles_from(esys, handle, 1);
  return found.count == 1 && found.handle[0] == handle;
}

DeviceDescription probe(ESYS_CONTEXT* esys, std::string_view tcti) {
  DeviceDescription device;
  device.backend = "tpm";
  const std::string manufacturer = text_of(property(esys, TPM2_PT_MANUFACTURER));
  std::string vendor;
  for (const TPM2_PT part : {TPM2_PT_VENDOR_STRING_1, TPM2_PT_VENDOR_STRING_2,
                             TPM2_PT_VENDOR_STRING_3, TPM2_PT_VENDOR_STRING_4})
    vendor += text_of(property(esys, part));
  device.model = manufacturer + ' ' + vendor + " firmware " +
                 version(property(esys, TPM2_PT_FIRMWARE_VERSION_1),
                         property(esys, TPM2_PT_FIRMWARE_VERSION_2));
  device.software = is_software(tcti, manufacturer, vendor);
  for (const KeyType type : kTypes)
    if (has_type(esys, type)) device.types.push_back(type);
  device.algorithms = algorithms(esys, device.types);
  device.commands_in_flight =
      2;  // one under way, one waiting in the process, so that the TPM never idles
  device.lockout_counter = lockout_counter(esys);
  return device;
}

bool has_owner_auth(ESYS_CONTEXT* esys) {
  return (property(esys, TPM2_PT_PERMANENT) & TPMA_PERMANENT_OWNERAUTHSET) != 0;
}

std::uint32_t lockout_counter(ESYS_CONTEXT* esys) {
  return property(esys, TPM2_PT_LOCKOUT_COUNTER);
}

}  // namespace holdfast::tpm
