// A PKCS#11 module that does what no module should, on demand (hostile_faults.h). Otherwise it is a token
// with P-256 and HMAC-SHA-256, whose user's PIN is 7391.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tests/support/hostile_functions.h"

namespace hostile {
namespace {

template <std::size_t size>
void fill(unsigned char (&field)[size], const std::string& text) {
  std::memset(field, ' ', size);
  std::memcpy(field, text.data(), std::min(size, text.size()));
}

CK_ULONG most_sessions() {
  return std::strtoul(setting("sessions").c_str(), nullptr, 10);
}

CK_RV initialize(void*) {
  HOSTILE_ENTER("Initialize");
  if (it.initialised) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  it.initialised = true;
  return CKR_OK;
}

CK_RV finalize(void*) {
  HOSTILE_ENTER("Finalize");
  it.initialised = it.logged_in = false;
  it.sessions.clear();
  return CKR_OK;
}

CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID* slots, CK_ULONG* count) {
  HOSTILE_ENTER("GetSlotList");
  if (slots != nullptr) slots[0] = 5;
  *count = fault == "long" ? 100'000 : 1;
  return CKR_OK;
}

CK_RV get_token_info(CK_SLOT_ID, CK_TOKEN_INFO* info) {
  HOSTILE_ENTER("GetTokenInfo");
  *info = {};
  fill(info->label, "hostile");
  fill(info->manufacturerID, "Holdfast's tests");
  fill(info->model, "hostile");
  const std::string serial = setting("serial"), pin = setting("pin");
  fill(info->serialNumber, serial.empty() ? "0001" : serial);
  info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  if (it.wrong_pin_last || pin == "low") info->flags |= CKF_USER_PIN_COUNT_LOW;
  if (pin == "final") info->flags |= CKF_USER_PIN_FINAL_TRY;
  if (pin == "locked") info->flags |= CKF_USER_PIN_LOCKED;
  info->ulMaxSessionCount = info->ulMaxRwSessionCount = most_sessions();
  return CKR_OK;
}

constexpr CK_MECHANISM_TYPE kMechanisms[] = {CKM_EC_KEY_PAIR_GEN, CKM_ECDSA, CKM_SHA256_HMAC};

CK_RV get_mechanism_list(CK_SLOT_ID, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  HOSTILE_ENTER("GetMechanismList");
  if (list != nullptr) std::copy(std::begin(kMechanisms), std::end(kMechanisms), list);
  *count = fault == "long" ? 1'000'000 : std::size(kMechanisms);
  return CKR_OK;
}

CK_RV get_mechanism_info(CK_SLOT_ID, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  HOSTILE_ENTER("GetMechanismInfo");
  *info = {256, 256, type == CKM_EC_KEY_PAIR_GEN ? CKF_GENERATE_KEY_PAIR : CKF_SIGN};
  return CKR_OK;
}

CK_RV open_session(CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* handle) {
  HOSTILE_ENTER("OpenSession");
  if (const CK_ULONG most = most_sessions(); most != 0 && it.sessions.size() >= most)
    return CKR_SESSION_COUNT;
  *handle = it.next++;
  it.sessions[*handle];
  return CKR_OK;
}

CK_RV close_session(CK_SESSION_HANDLE handle) {
  HOSTILE_ENTER("CloseSession");
  HOSTILE_SESSION(handle);
  it.sessions.erase(place);
  if (it.sessions.empty()) it.logged_in = false;
  return CKR_OK;
}

CK_RV get_session_info(CK_SESSION_HANDLE handle, CK_SESSION_INFO* info) {
  HOSTILE_ENTER("GetSessionInfo");
  HOSTILE_SESSION(handle);
  *info = {5, it.logged_in ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION,
           CKF_SERIAL_SESSION | CKF_RW_SESSION, 0};
  return CKR_OK;
}

CK_RV login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size) {
  HOSTILE_ENTER("Login");
  HOSTILE_SESSION(handle);
  const std::string right = setting("user_pin");
  it.wrong_pin_last =
      std::string(reinterpret_cast<const char*>(pin), size) != (right.empty() ? kPin : right);
  if (it.wrong_pin_last) return CKR_PIN_INCORRECT;
  if (user == CKU_CONTEXT_SPECIFIC) {
    if (session.signs == nullptr) return CKR_OPERATION_NOT_INITIALIZED;
    session.authenticated = true;
    return CKR_OK;
  }
  if (it.logged_in) return CKR_USER_ALREADY_LOGGED_IN;
  it.logged_in = true;
  return CKR_OK;
}

}  // namespace
}  // namespace hostile

#define HOSTILE_EXPORT extern "C" __attribute__((visibility("default")))

HOSTILE_EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions = [] {
    CK_FUNCTION_LIST all{};
    all.version = {2, 40};
    all.C_Initialize = hostile::initialize;
    all.C_Finalize = hostile::finalize;
    all.C_GetSlotList = hostile::get_slot_list;
    all.C_GetTokenInfo = hostile::get_token_info;
    all.C_GetMechanismList = hostile::get_mechanism_list;
    all.C_GetMechanismInfo = hostile::get_mechanism_info;
    all.C_OpenSession = hostile::open_session;
    all.C_CloseSession = hostile::close_session;
    all.C_GetSessionInfo = hostile::get_session_info;
    all.C_Login = hostile::login;
    all.C_CreateObject = hostile::create_object;
    all.C_DestroyObject = hostile::destroy_object;
    all.C_GetAttributeValue = hostile::get_attribute_value;
    all.C_FindObjectsInit = hostile::find_objects_init;
    all.C_FindObjects = hostile::find_objects;
    all.C_FindObjectsFinal = hostile::find_objects_final;
    all.C_SignInit = hostile::sign_init;
    all.C_Sign = hostile::sign;
    all.C_GenerateKeyPair = hostile::generate_key_pair;
    return all;
  }();
  *list = &functions;
  return CKR_OK;
}

// For tests in the same process: how often C_`function` was called, how many objects there are, and a
// fresh start.
HOSTILE_EXPORT int hostile_calls(const char* function) {
  return hostile::calls_of(function);
}
HOSTILE_EXPORT int hostile_most_asleep() {
  return hostile::most_asleep();
}
HOSTILE_EXPORT int hostile_objects() {
  const std::lock_guard lock(hostile::token().mutex);
  return static_cast<int>(hostile::token().objects.size());
}
HOSTILE_EXPORT void hostile_forget_wrong_pin() {
  const std::lock_guard lock(hostile::token().mutex);
  hostile::token().wrong_pin_last = false;
}
