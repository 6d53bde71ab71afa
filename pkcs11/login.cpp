#include "pkcs11/login.h"

#include <set>
#include <utility>

#include "daemon/base/openssl.h"
#include "pkcs11/error.h"

namespace holdfast::pkcs11 {
namespace {

constexpr std::string_view kRefused = "the token refused the configured PIN, or may have";
constexpr std::string_view kCorrect =
    ", and is not given it again: correct the PIN, or what else it complained of";

// Where such an error comes from: unlike "C_Login" it may be tried again.
constexpr std::string_view kNotJudged = "C_Login, before the PIN";

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

}  // namespace

Login::Login(const Token& token, const Secret& pin, std::shared_ptr<const PinMark> mark,
             std::string device)
    : token_(token), pin_(pin.clone()), mark_(std::move(mark)), device_(std::move(device)) {
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

void Login::stay_out(const std::string& why) const {
  throw Error(ErrorKind::device_unavailable,
              why + ", then `holdfast device accept " + device_ + "`; see docs/hsm.md", "C_Login");
}

// §3.1, CK_TOKEN_INFO's flags.
void Login::demand_no_failure_before(bool accepted) const {
  const CK_FLAGS flags = current_info(token_).flags;
  if ((flags & CKF_USER_PIN_LOCKED) != 0)
    stay_out("the token's PIN is locked after wrong ones: its security officer has to set it anew");
  if ((flags & CKF_USER_PIN_FINAL_TRY) != 0)
    stay_out(
        "the token locks itself at the next wrong PIN, and is given none from here: log in once by "
        "hand (pkcs11-tool --login --list-objects)");
  if ((flags & CKF_USER_PIN_COUNT_LOW) != 0 && !accepted)
    stay_out(
        "the token was given a wrong PIN last, and is given none from here before a right one has "
        "proved the PIN: correct the configured PIN");
}

void Login::give_pin(CK_SESSION_HANDLE session, CK_USER_TYPE user) {
  using Word = PinMark::Word;
  const Word before = mark_->read();
  if (before == Word::refused || refused().knows(token_, pin_))
    stay_out(std::string(kRefused) + std::string(kCorrect));
  demand_no_failure_before(before == Word::accepted);
  // Ahead of the try, which may end this process or the machine. One with no known end is made up for by another, a second
  // one is not. A PIN that is given for each signature has proved itself at the log-in.
  if (user == CKU_USER) mark_->write(before == Word::none ? Word::begun : Word::refused);
  const ByteView pin = pin_.view();
  const CK_RV rv =
      token_.functions().C_Login(session, user, const_cast<CK_UTF8CHAR*>(pin.data()), pin.size());
  const bool judged = !judged_no_pin(rv);
  mark_->write(rv == CKR_OK ? Word::none : judged ? Word::refused : before);
  if (rv == CKR_USER_ALREADY_LOGGED_IN && user == CKU_USER) return;
  if (!judged) return check_rv(kNotJudged, rv);
  refused().remember(token_, pin_);
  stay_out(with_code(kRefused, rv) + std::string(kCorrect));
}

}  // namespace holdfast::pkcs11
