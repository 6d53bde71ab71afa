#include "pkcs11/token.h"

#include <array>
#include <vector>

#include "daemon/base/openssl.h"
#include "pkcs11/error.h"
#include "pkcs11/uri.h"

namespace holdfast::pkcs11 {
namespace {

constexpr std::size_t kMostSlots = 256;

// Fields are padded with blanks (§3.1); some modules put a NUL first.
template <std::size_t size>
std::string text_of(const unsigned char (&field)[size]) {
  std::string text;
  for (const unsigned char c : field) {
    if (c == 0) break;
    text += c >= 0x20 && c < 0x7F ? static_cast<char>(c) : '?';
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string label_of(const CK_TOKEN_INFO& info) {
  return "\"" + text_of(info.label) + "\" (serial " + text_of(info.serialNumber) + ", " +
         model_of(info) + ")";
}

// §5.5.1: asked for the count first, which is when modules look for tokens.
std::vector<CK_SLOT_ID> slots_of(const CK_FUNCTION_LIST& functions) {
  CK_ULONG count = 0;
  check_rv("C_GetSlotList", functions.C_GetSlotList(CK_TRUE, nullptr, &count));
  std::vector<CK_SLOT_ID> slots(kMostSlots);
  count = kMostSlots;
  check_rv("C_GetSlotList", functions.C_GetSlotList(CK_TRUE, slots.data(), &count));
  if (count > kMostSlots) throw_broken("C_GetSlotList", "more slots than there was room for");
  slots.resize(count);
  return slots;
}

bool has_object_attributes(const Uri& uri) {
  CK_ULONG count = 0;
  p11_kit_uri_get_attributes(uri.get(), &count);
  return count != 0;
}

std::string listed(const std::vector<Token>& tokens) {
  if (tokens.empty()) return "the module shows no token at all";
  std::string list = "the module shows ";
  for (const Token& token : tokens)
    list += (&token == &tokens.front() ? "" : ", ") + label_of(token.info);
  return list;
}

}  // namespace

Token find_token(std::shared_ptr<const Module> module, const std::string& text) {
  const Uri uri = parse_uri(text);
  if (has_object_attributes(uri))
    throw Error(ErrorKind::invalid_request,
                "the device's URI names a token and no key: leave id, object and type out");
  std::vector<Token> all, fitting;
  const CK_FUNCTION_LIST& functions = module->functions();
  for (const CK_SLOT_ID slot : slots_of(functions)) {
    Token token{module, slot, {}};
    const bool there = check_rv_expecting<CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
                                          CKR_DEVICE_REMOVED, CKR_SLOT_ID_INVALID>(
        "C_GetTokenInfo", functions.C_GetTokenInfo(slot, &token.info));
    if (!there || (token.info.flags & CKF_TOKEN_INITIALIZED) == 0) continue;
    all.push_back(token);
    if (p11_kit_uri_match_token_info(uri.get(), &token.info) != 0) fitting.push_back(token);
  }
  if (fitting.size() == 1) return fitting.front();
  if (fitting.empty())
    throw Error(ErrorKind::device_unavailable, "no token fits the device's URI: " + listed(all),
                "find_token");
  throw Error(ErrorKind::invalid_request,
              "several tokens fit the device's URI; add serial=… to it: " + listed(fitting),
              "find_token");
}

CK_TOKEN_INFO current_info(const Token& token) {
  CK_TOKEN_INFO info{};
  const CK_RV rv = token.functions().C_GetTokenInfo(token.slot, &info);
  if (rv != CKR_OK)
    throw Error(ErrorKind::device_unavailable, with_code("the token does not answer", rv),
                "C_GetTokenInfo", static_cast<std::int64_t>(rv));
  if (identity_of(info) != identity_of(token.info))
    throw Error(ErrorKind::device_unavailable,
                "another token has come in the place of the one that was opened: " + label_of(info),
                "C_GetTokenInfo");
  return info;
}

std::string identity_of(const CK_TOKEN_INFO& info) {
  return sha256_hex(text_of(info.manufacturerID) + '|' + text_of(info.model) + '|' +
                    text_of(info.serialNumber));
}

std::string model_of(const CK_TOKEN_INFO& info) {
  return text_of(info.manufacturerID) + ' ' + text_of(info.model) + " firmware " +
         std::to_string(info.firmwareVersion.major) + '.' +
         std::to_string(info.firmwareVersion.minor);
}

// SoftHSM, NSS, openCryptoki's soft token, and tpm2-pkcs11 over a software TPM, which passes on the TPM's own names (tpm/probe.cpp).
bool is_software(const CK_TOKEN_INFO& info) {
  const std::string manufacturer = text_of(info.manufacturerID), model = text_of(info.model);
  return manufacturer.starts_with("SoftHSM") || manufacturer == "Mozilla Foundation" ||
         (manufacturer == "IBM" && (model.starts_with("SW") || model.starts_with("Soft"))) ||
         manufacturer == "MSFT" || model.starts_with("SoftHSM");
}

}  // namespace holdfast::pkcs11
