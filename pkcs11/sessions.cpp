#include "pkcs11/sessions.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "pkcs11/error.h"

namespace holdfast::pkcs11 {
namespace {

constexpr std::uint32_t kMostAlone = 16;
constexpr std::uint32_t kMost = 64;

// A module can go on answering questions while it fails every command, until its process ends (yubihsm-shell
// issue 541). One bad key's failures are no such sign as long as others sign between them.
constexpr int kMostFailedInARow = 8;

// A software token uses this machine's processors; another waits for its own.
std::uint32_t suitable(const CK_TOKEN_INFO& info) {
  if (!is_software(info)) return kMostAlone;
  return std::clamp(2 * std::thread::hardware_concurrency(), 2U, kMostAlone);
}

// §3.1: two values of these fields mean that there is no limit, or none that is told.
std::uint32_t limit_of(CK_ULONG most) {
  if (most == CK_EFFECTIVELY_INFINITE || most == CK_UNAVAILABLE_INFORMATION) return kMost + 1;
  return static_cast<std::uint32_t>(std::min<CK_ULONG>(most, kMost + 1));
}

CK_RV answer_of(const Sessions::Operation& operation, const Sessions::Use& use) {
  try {
    return operation(use);
  } catch (const RvFailure& failure) {
    return failure.rv;
  }
}

}  // namespace

// One session of the pool, given back in the state that the operation left it in.
struct Sessions::Lease {
  explicit Lease(Sessions& from) : sessions(from), session(from.take(generation)) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    if (!is_good) session.reset();
    sessions.give_back(std::move(session), generation);
  }

  Sessions& sessions;
  std::uint64_t generation = 0;
  std::optional<Session> session;
  bool is_good = false;
};

Sessions::Sessions(const Token& token, Login& login, std::uint32_t wanted,
                   std::function<void()> beyond_help)
    : token_(token), login_(login), beyond_help_(std::move(beyond_help)) {
  std::uint32_t limit = limit_of(token.info.ulMaxSessionCount);
  if ((flags() & CKF_RW_SESSION) != 0)
    limit = std::min(limit, limit_of(token.info.ulMaxRwSessionCount));
  const std::uint32_t most = wanted != 0 ? std::min(wanted, kMost) : suitable(token.info);
  parallel_ = token.module->threads() ? std::min(most, limit) : 1;
  has_room_ = parallel_ < limit;
  const std::lock_guard lock(mutex_);
  open_anew();
}

CK_FLAGS Sessions::flags() const {
  return (token_.info.flags & CKF_WRITE_PROTECTED) != 0 ? 0 : CKF_RW_SESSION;
}

Session Sessions::open() const {
  return {token_.functions(), token_.slot, flags()};
}

// With the mutex locked and no session out: a module may give a lost session's number to the next one.
void Sessions::open_anew() {
  lost_ = true;
  idle_.clear();
  anchor_.reset();
  ++generation_;
  Session first = open();
  login_.log_in(first.get());
  if (has_room_)
    anchor_ = std::move(first);
  else
    idle_.push_back(std::move(first));
  lost_ = false;
}

std::optional<Session> Sessions::take(std::uint64_t& generation) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return lost_ ? out_ == 0 : out_ < parallel_; });
    if (lost_) open_anew();
    std::optional<Session> session = idle_or_new();
    if (session) {
      generation = generation_;
      ++out_;
      return session;
    }
    changed_.wait(lock, [this] { return lost_ || !idle_.empty() || out_ == 0; });
  }
}

// None where other programs use up the token's sessions and one of ours will come back.
std::optional<Session> Sessions::idle_or_new() {
  if (!idle_.empty()) {
    std::optional<Session> session = std::move(idle_.back());
    idle_.pop_back();
    return session;
  }
  try {
    return open();
  } catch (const Error& error) {
    if (error.native_code() != CKR_SESSION_COUNT || out_ == 0) throw;
    return std::nullopt;
  }
}

void Sessions::give_back(std::optional<Session> session, std::uint64_t generation) {
  {
    const std::lock_guard lock(mutex_);
    --out_;
    if (session && !lost_ && generation == generation_) idle_.push_back(std::move(*session));
  }
  changed_.notify_all();
}

void Sessions::lose(std::uint64_t generation) {
  const std::lock_guard lock(mutex_);
  if (generation == generation_) lost_ = true;
}

void Sessions::ask(CK_SESSION_HANDLE session) const {
  current_info(token_);
  CK_SESSION_INFO info{};
  check_rv("C_GetSessionInfo", token_.functions().C_GetSessionInfo(session, &info));
}

void Sessions::judge(CK_SESSION_HANDLE session, std::string_view where, CK_RV rv) {
  ask(session);
  if (++failed_in_a_row_ < kMostFailedInARow) throw_failed(where, rv);
  beyond_help_();
  throw_rv(where, rv);
}

void Sessions::run(std::string_view where, const Operation& operation) {
  heal(where, operation);
  failed_in_a_row_ = 0;
}

void Sessions::heal(std::string_view where, const Operation& operation) {
  bool session_tried = false, login_tried = false, object_tried = false;
  for (;;) {
    Lease lease(*this);
    const CK_RV rv = answer_of(operation, {lease.session->get(), lease.generation});
    if (rv == CKR_OK) {
      lease.is_good = true;
      return;
    }
    switch (recovery_of(rv)) {
      case Recovery::session:
        lose(lease.generation);
        if (std::exchange(session_tried, true)) throw_rv(where, rv);
        break;
      case Recovery::login:
        if (std::exchange(login_tried, true)) throw_rv(where, rv);
        login_.log_in(lease.session->get());
        lease.is_good = !has_room_;  // closing the only one would log out again
        break;
      case Recovery::object:
        if (std::exchange(object_tried, true)) {
          current_info(token_);  // a key is lost only where its token is there
          throw_rv(where, rv);
        }
        break;
      case Recovery::question:
        judge(lease.session->get(), where, rv);
      case Recovery::none:
        throw_rv(where, rv);
    }
  }
}

void Sessions::check() {
  current_info(token_);
  heal("C_GetSessionInfo", [this](const Use& use) {
    CK_SESSION_INFO info{};
    return token_.functions().C_GetSessionInfo(use.session, &info);
  });
}

}  // namespace holdfast::pkcs11
