#include "pkcs11/login.h"

#include <set>

#include "daemon/base/openssl.h"
#include "pkcs11/error.h"

namespace holdfast::pkcs11 {
namespace {

// Where such an error comes from: unlike "C_Login" it may be tried again.
constexpr std::string_view kNotJudged = "C_Login, before the PIN";

[[noreturn]] void stay_out(const std::string& why) {
  throw Error(ErrorKind::device_unavailable, why + "; see docs/hsm.md", "C_Login");
}

// What was refused, for the life of the process. A digest, salted so that it says nothing elsewhere.
class Refused {
 public:
  bool knows(const Token& token, const Secret& pin) const {
    const std::lock_guard lock(mutex_);
    return digests_.contains(digest_of(token, pin));
  }
  void remember(const Token& token, const Secret& pin) {
    const std::lock_guard lock(mutex_);
    digests_.insert(digest_of(token, pin));
  }

 private:
  Sha256 digest_of(const Token& token, const Secret& pin) const {
    return sha256({salt_, as_bytes(identity_of(token.info)), pin.view()});
  }

  mutable std::mutex mutex_;
  const Bytes salt_ = random_bytes(32);
  std::set<Sha256> digests_;
};

Refused& refused() {
  static auto& pins = *new Refused;  // never destroyed: threads may outlive main()
  return pins;
}

// Answers that no token gives once it has looked at a PIN. Any other may mean that it counted a wrong one: modules
// say so in codes of many kinds (YubiHSM's in CKR_ENCRYPTED_DATA_INVALID and CKR_DEVICE_ERROR).
bool judged_no_pin(CK_RV rv) noexcept {
  switch (rv) {
    case CKR_OK:
    case CKR_USER_ALREADY_LOGGED_IN:
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_DEVICE_REMOVED:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return true;
    default:
      return false;
  }
}

// §3.1, CK_TOKEN_INFO's flags.
void demand_no_failure_before(const CK_TOKEN_INFO& info) {
  if ((info.flags & CKF_USER_PIN_LOCKED) != 0)
    stay_out("the token's PIN is locked after wrong ones: its security officer has to set it anew");
  if ((info.flags & (CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW)) != 0)
    stay_out(
        "the token was given a wrong PIN last, and is given none from here before a right one has "
        "proved the PIN: correct the configured PIN, then log in once by hand (pkcs11-tool "
        "--login --list-objects)");
}

}  // namespace

Login::Login(const Token& token, const Secret& pin) : token_(token), pin_(pin.clone()) {
  if (pin_.empty() && (token.info.flags & CKF_LOGIN_REQUIRED) != 0)
    throw Error(ErrorKind::invalid_request,
                "the token demands a PIN, and the configuration has none for it", "C_Login");
}

void Login::log_in(CK_SESSION_HANDLE session) {
  const std::lock_guard lock(mutex_);
  if (is_missing(session)) give_pin(session, CKU_USER);
}

// §5.6.3: a session's state says whether its application is logged in.
bool Login::is_missing(CK_SESSION_HANDLE session) const {
  if (pin_.empty()) return false;
  CK_SESSION_INFO info{};
  check_rv("C_GetSessionInfo", token_.functions().C_GetSessionInfo(session, &info));
  return info.state == CKS_RO_PUBLIC_SESSION || info.state == CKS_RW_PUBLIC_SESSION;
}

void Login::authenticate(CK_SESSION_HANDLE session) {
  const std::lock_guard lock(mutex_);
  give_pin(session, CKU_CONTEXT_SPECIFIC);
}

void Login::give_pin(CK_SESSION_HANDLE session, CK_USER_TYPE user) {
  if (refused().knows(token_, pin_))
    stay_out(
        "the token refused the configured PIN, or may have, and is not given it again: correct the "
        "PIN, or what else it complained of, then restart the daemon");
  demand_no_failure_before(current_info(token_));
  const ByteView pin = pin_.view();
  const CK_RV rv =
      token_.functions().C_Login(session, user, const_cast<CK_UTF8CHAR*>(pin.data()), pin.size());
  if (rv == CKR_USER_ALREADY_LOGGED_IN && user == CKU_USER) return;
  if (judged_no_pin(rv)) return check_rv(kNotJudged, rv);
  refused().remember(token_, pin_);
  check_rv("C_Login", rv);
}

}  // namespace holdfast::pkcs11
