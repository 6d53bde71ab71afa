#include "daemon/device/dispatcher.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"

namespace holdfast::device {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

// One timer looks after all deadlines; arming one for each command would cost more than the command.
constexpr milliseconds kTick{50};
constexpr const char* kStopping = "the daemon is stopping";
constexpr std::uint64_t kNobody = UINT64_MAX;  // never an account

}  // namespace

// ---- from the callers -------------------------------------------------------------------------

asio::awaitable<Answer> Dispatcher::perform(std::uint64_t caller, const Command& command) {
  if (stopped_ || state_ == State::unavailable || state_ == State::refused)
    throw Error(ErrorKind::device_unavailable, why(stopped_ ? kStopping : reason_));
  if (!queue_.has_room(caller))
    throw Error(ErrorKind::overloaded, "too many commands wait for device " + name_);
  Pending pending = prepare(caller, command);
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&,
                                          void(std::exception_ptr, Answer)>(
      [this, &pending](auto handler) {
        pending.completion = Completion(std::move(handler));
        submit(std::move(pending));
      },
      asio::use_awaitable);
}

Pending Dispatcher::prepare(std::uint64_t caller, const Command& command) {
  const std::uint64_t id = ++last_id_;
  return {id, caller, encode(id, command), kind_of(command, settings_), Clock::now(), {}, {}};
}

void Dispatcher::submit(Pending pending) {
  const auto since = pending.since;
  const std::uint64_t caller = pending.caller;
  queue_.push(caller, std::move(pending));
  pump();
  arm(since + kTick);
}

// ---- to and from the process ------------------------------------------------------------------

void Dispatcher::pump() {
  while (state_ == State::ready && link_ && !queue_.empty() &&
         under_way_.takes(queue_.next()->kind)) {
    Pending next = *queue_.pop();
    if (!link_->send(next.wire)) {
      // Full: an answer makes room. Gone: the link says so next.
      const std::uint64_t caller = next.caller;
      return queue_.push_front(caller, std::move(next));
    }
    under_way_.add(std::move(next), Clock::now());
  }
}

void Dispatcher::attach(UniqueFd socket) {
  if (stopped_) return;
  if (link_) lost();
  if (state_ != State::starting) enter(State::starting, "its process opens the device");
  link_ = Link::open(
      loop_, std::move(socket), [this](ByteView wire) { receive(wire); }, [this] { lost(); });
  last_word_ = Clock::now();
  arm(last_word_ + kTick);
}

void Dispatcher::receive(ByteView wire) {
  last_word_ = Clock::now();
  try {
    auto [id, body] = decode_answer(wire);
    if (id != 0) return answer(id, std::move(body));
    if (auto* ready = std::get_if<Ready>(&body)) return opened(std::move(ready->description));
    if (auto* unavailable = std::get_if<Unavailable>(&body)) {
      if (state_ == State::refused) return;
      enter(State::unavailable, std::move(unavailable->reason));
      return fail_waiting(why(reason_));
    }
    throw Error(ErrorKind::internal, "an answer to no command");
  } catch (const Error& error) {
    log::error("device_protocol", {{"device", name_}, {"error", error.what()}});
    replace("its process broke the protocol and is being replaced");
  }
}

void Dispatcher::answer(std::uint64_t id, Answer answer) {
  Pending pending = under_way_.take(id, answer, last_word_);
  pump();
  // One that the device took before its turn counts as begun at once.
  const auto begun = std::max(pending.begun, pending.since);
  if (on_answered_ && pending.completion) on_answered_(begun - pending.since, last_word_ - begun);
  if (const auto* failure = std::get_if<Failure>(&answer))
    return finish(pending, std::make_exception_ptr(
                               Error(failure->kind, failure->detail, name_, failure->native_code)));
  if (auto* checked = std::get_if<Ready>(&answer)) describe(std::move(checked->description));
  finish(pending, nullptr, std::move(answer));
}

void Dispatcher::describe(DeviceDescription description) {
  description_ = std::move(description);
  under_way_.describe(description_, last_word_);
}

void Dispatcher::opened(DeviceDescription description) {
  describe(std::move(description));
  enter(State::ready, {});
  if (on_ready_) on_ready_(description_);
  pump();
}

void Dispatcher::lost() {
  link_->close();
  link_.reset();
  if (state_ != State::ready && state_ != State::starting)
    return fail_all(under_way_.take_all(), why(reason_));
  if (state_ == State::ready) enter(State::starting, "its process died and is being replaced");
  std::deque<Pending> left = under_way_.take_all();
  for (auto pending = left.rbegin(); pending != left.rend(); ++pending) {
    if (!pending->kind.repeatable || !pending->completion) continue;
    pending->kind.repeatable = false;
    pending->begun = {};
    const std::uint64_t caller = pending->caller;
    queue_.push_front(caller, std::move(*pending));
  }
  fail_all(std::move(left), why("its process died; whether this was done is not known"));
}

void Dispatcher::replace(std::string reason) {
  enter(State::unavailable, std::move(reason));
  drop(why(reason_));
  overdue_();
}

void Dispatcher::refuse(std::string reason) {
  enter(State::refused, std::move(reason));
  fail_waiting(why(reason_));
}

void Dispatcher::stop() {
  stopped_ = true;
  timer_.cancel();
  drop(kStopping);
}

void Dispatcher::drop(const std::string& detail) {
  if (link_) link_->close();
  link_.reset();
  fail_all(under_way_.take_all(), detail);
  fail_waiting(detail);
}

void Dispatcher::enter(State state, std::string reason) {
  if (state == State::starting && state_ != State::starting) starting_since_ = Clock::now();
  if (state != state_ || reason != reason_)
    log::write(state == State::ready ? log::Level::info : log::Level::warning, "device",
               {{"name", name_}, {"state", std::string(to_string(state))}, {"reason", reason}});
  state_ = state;
  reason_ = std::move(reason);
}

// ---- to the callers ---------------------------------------------------------------------------

void Dispatcher::finish(Pending& pending, std::exception_ptr error, Answer answer) {
  if (!pending.completion) return;
  // Posted, so that nothing runs in the middle of this object's own work.
  asio::post(loop_, [completion = std::move(pending.completion), error = std::move(error),
                     answer = std::move(answer)]() mutable {
    completion(std::move(error), std::move(answer));
  });
}

void Dispatcher::fail(Pending& pending, ErrorKind kind, const std::string& detail) {
  finish(pending, std::make_exception_ptr(Error(kind, detail)));
}

void Dispatcher::fail_waiting(const std::string& detail) {
  while (std::optional<Pending> pending = queue_.pop())
    fail(*pending, ErrorKind::device_unavailable, detail);
}

void Dispatcher::fail_all(std::deque<Pending> commands, const std::string& detail) {
  for (Pending& pending : commands) fail(pending, ErrorKind::device_unavailable, detail);
}

// ---- deadlines --------------------------------------------------------------------------------

void Dispatcher::arm(Clock::time_point due) {
  if (stopped_ || (armed_ && due_ <= due)) return;
  armed_ = true;
  due_ = due;
  timer_.expires_at(due);
  timer_.async_wait(
      [this, alive = std::weak_ptr<char>(alive_)](const boost::system::error_code& e) {
        if (e || alive.expired()) return;
        armed_ = false;
        tick();
      });
}

void Dispatcher::tick() {
  const auto now = Clock::now();
  expire(now);
  const bool opening = link_ && (state_ == State::starting || state_ == State::unavailable);
  if (opening && now - last_word_ > settings_.open)
    replace("opening takes too long; its process is being replaced");
  else if (under_way_.is_overdue(now))
    replace("a command takes too long; its process is being replaced");
  pump();

  if (!idle() || opening) return arm(now + kTick);
  if (link_ && state_ == State::ready && now - last_word_ >= settings_.check_every) {
    submit(prepare(kNobody, Check{}));
    return arm(now + kTick);
  }
  arm(now + settings_.check_every);
}

void Dispatcher::expire(Clock::time_point now) {
  if (state_ == State::starting)
    queue_.expire(
        [&](const Pending& pending) {
          return now - std::max(pending.since, starting_since_) > settings_.restart_grace;
        },
        [&](Pending pending) { fail(pending, ErrorKind::device_unavailable, why(reason_)); });
  const auto waited = [&](const Pending& pending) { return now - pending.since > settings_.wait; };
  const std::string late = "device " + name_ + " is busy; this waited too long";
  queue_.expire(waited, [&](Pending pending) { fail(pending, ErrorKind::overloaded, late); });
  // Behind a long command (a key generation) a short one is given up, and its answer dropped.
  under_way_.each_behind([&](Pending& pending) {
    if (waited(pending)) fail(pending, ErrorKind::overloaded, late);
  });
}

}  // namespace holdfast::device
