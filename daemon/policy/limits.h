// What is used up of the grants' limits: the only state policy needs, kept apart from its decisions.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/policy/policy.h"

namespace holdfast::policy {

// A request under way, as long as it lives; may outlive the limiter.
class Ticket {
 public:
  Ticket() = default;
  explicit Ticket(std::shared_ptr<std::uint32_t> running) : running_(std::move(running)) {
    ++*running_;
  }
  Ticket(Ticket&&) noexcept = default;
  Ticket& operator=(Ticket&& other) noexcept {
    std::swap(running_, other.running_);
    return *this;
  }
  ~Ticket() {
    if (running_) --*running_;
  }

 private:
  std::shared_ptr<std::uint32_t> running_;
};

struct Admission {
  // What was used up, such as "rate" or "daily limit of this caller"; empty: it may go on.
  std::string used_up;
  std::chrono::seconds wait{0};  // until it is worth another try (≥ 1 s)
  Ticket of_all, of_caller;
};

// Not thread-safe.
class Limiter {
 public:
  // Callers that are known at once, of all grants with a limit per caller; 100 bytes each. One more, while
  // each of them has used up something, is refused.
  static constexpr std::size_t kMaxCallers = 65'536;

  explicit Limiter(const Policy& policy);

  // What a grant has used up it has used up still, where the next policy has one of its name with the
  // same limits; else it starts anew.
  void adopt(const Policy& policy);

  // Takes one of every limit of the grant, or of none. `account` is Caller::account.
  Admission take(std::size_t grant, std::uint64_t account, SteadyTime now, SystemTime today);

  // As take(), of nothing but the places for requests under way: for what goes on with a request that was counted.
  Admission take_place(std::size_t grant, std::uint64_t account, SteadyTime now, SystemTime today);

  std::size_t callers() const { return callers_; }

 private:
  struct Used {
    double tokens = 0;
    SteadyTime filled{};
    std::chrono::sys_days day{};
    std::uint32_t today = 0;
    std::shared_ptr<std::uint32_t> running;
  };
  struct OfGrant {
    std::string name;
    Limits limits;
    Used all;
    std::unordered_map<std::uint64_t, Used> by_caller;
  };

  static Used fresh(const Quota& quota);
  static Admission ask(const Quota& quota, Used& used, SteadyTime now, SystemTime today);
  Admission take(OfGrant& grant, const Limits& limits, std::uint64_t account, SteadyTime now,
                 SystemTime today);
  static Ticket use(const Quota& quota, Used& used);
  bool make_room(SteadyTime now, SystemTime today);

  std::vector<OfGrant> grants_;
  std::size_t callers_ = 0;
  SteadyTime swept_{};
};

}  // namespace holdfast::policy
