// The sessions with one token: as many as its commands may run at once, one log-in for all, and the ladder
// that heals what can be healed within a call.
//
// One session more stays idle, where the token has room for it: closing the last one logs out
// (PKCS #11 v3.0 §5.6.2), and SoftHSM 2.6.1 races when it closes while another opens.
#pragma once

#include <p11-kit/pkcs11.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "pkcs11/handles.h"
#include "pkcs11/login.h"
#include "pkcs11/token.h"

namespace holdfast::pkcs11 {

class Sessions {
 public:
  // Opens one, and logs in. At most `wanted`; 0: as many as suit token and machine. Token and login outlive
  // this. Throws Error as Login::log_in() does.
  // `beyond_help` is called before a failure that a new process alone may heal.
  Sessions(const Token& token, Login& login, std::uint32_t wanted,
           std::function<void()> beyond_help);

  // How many calls of run() work at once; more wait for their turn.
  std::uint32_t parallel() const { return parallel_; }

  // Handles of objects are good for one generation: after it they may mean others.
  struct Use {
    CK_SESSION_HANDLE session;
    std::uint64_t generation;
  };

  // Runs `operation` in a session of its own, and again after each cure that recovery_of() its answer
  // names, each cure once. Throws what the last answer means, and what the operation throws; after either
  // its session is closed, because something may still be active in it. An answer that leaves open whether the
  // token is lost is judged by asking the token. Thread-safe.
  using Operation = std::function<CK_RV(const Use& use)>;
  void run(std::string_view where, const Operation& operation);

  // A round trip. Throws Error{device_unavailable} unless all is as it was. Not while run() works.
  void check();

 private:
  struct Lease;

  CK_FLAGS flags() const;
  Session open() const;
  std::optional<Session> take(std::uint64_t& generation);
  std::optional<Session> idle_or_new();
  void give_back(std::optional<Session> session, std::uint64_t generation);
  void lose(std::uint64_t generation);
  void heal(std::string_view where, const Operation& operation);
  void ask(CK_SESSION_HANDLE session) const;
  [[noreturn]] void judge(CK_SESSION_HANDLE session, std::string_view where, CK_RV rv);
  void open_anew();

  const Token& token_;
  Login& login_;
  const std::function<void()> beyond_help_;
  std::atomic<int> failed_in_a_row_ = 0;  // though the token answered
  std::uint32_t parallel_;
  bool has_room_;  // for the idle one

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Session> anchor_;
  std::vector<Session> idle_;
  std::uint32_t out_ = 0;
  std::uint64_t generation_ = 0;
  bool lost_ = true;  // all have to be opened anew
};

}  // namespace holdfast::pkcs11
