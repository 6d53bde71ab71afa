// One command, from the call to its answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "daemon/device/client.h"
#include "daemon/device/message.h"

namespace holdfast::device {

// Who awaits an answer, called once. Asio's any_completion_handler would do, but in Boost 1.81 its move
// assignment wraps the handler in itself without end.
class Completion {
 public:
  Completion() = default;
  template <class Handler>
  explicit Completion(Handler handler)
      : waiter_(std::make_unique<WaiterOf<Handler>>(std::move(handler))) {}

  explicit operator bool() const { return waiter_ != nullptr; }
  void operator()(std::exception_ptr error, Answer answer) {
    std::exchange(waiter_, nullptr)->complete(std::move(error), std::move(answer));
  }

 private:
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void complete(std::exception_ptr error, Answer answer) = 0;
  };
  template <class Handler>
  struct WaiterOf final : Waiter {
    explicit WaiterOf(Handler given) : handler(std::move(given)) {}
    void complete(std::exception_ptr error, Answer answer) override {
      std::move(handler)(std::move(error), std::move(answer));
    }
    Handler handler;
  };
  std::unique_ptr<Waiter> waiter_;
};

struct Kind {
  std::size_t expects;                 // index in Answer
  std::chrono::milliseconds deadline;  // once the device is at it
  bool repeatable;                     // gives the same when it is done twice
  bool alone = true;                   // what Backend does not do beside other calls
};
Kind kind_of(const Command& command, const Settings& settings);

struct Pending {
  std::uint64_t id;
  std::uint64_t caller;
  Wire wire;
  Kind kind;
  std::chrono::steady_clock::time_point since;
  std::chrono::steady_clock::time_point
      begun;              // when the device came to be at it, as far as we know
  Completion completion;  // empty for a check, and once the caller was told
};

}  // namespace holdfast::device
