#include "daemon/device/client.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <exception>
#include <iterator>
#include <list>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/device/link.h"
#include "daemon/device/message.h"
#include "daemon/device/pending.h"
#include "daemon/device/queue.h"

namespace holdfast::device {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// One timer looks after all deadlines; arming one for each command would cost more than the command.
constexpr milliseconds kTick{50};
constexpr std::uint32_t kMostInFlight = 64;
constexpr std::uint64_t kNobody = UINT64_MAX;  // never an account

class LinkedClient final : public Client {
 public:
  LinkedClient(asio::io_context& loop, std::string name, Settings settings,
               std::function<void()> overdue)
      : loop_(loop),
        name_(std::move(name)),
        settings_(settings),
        overdue_(std::move(overdue)),
        queue_(settings.queue_limit, settings.queue_limit_per_caller),
        timer_(loop) {}
  ~LinkedClient() override {
    if (link_) link_->close();
  }

  void attach(UniqueFd socket) override;
  void refuse(std::string reason) override;
  void on_ready(std::function<void(const DeviceDescription&)> callback) override {
    on_ready_ = std::move(callback);
  }
  void stop() override;

  State state() const override { return state_; }
  std::string reason() const override { return reason_; }
  const DeviceDescription& description() const override { return description_; }
  const std::string& name() const override { return name_; }
  bool idle() const override { return queue_.next() == nullptr && under_way_.empty(); }

  // Each command is a local of the coroutine: g++ 12 destroys temporaries in a co_await twice.
  asio::awaitable<DeviceKey> create(std::uint64_t caller, KeyType type) override {
    const Command command = Create{type};
    Answer answer = co_await perform(caller, command);
    co_return std::get<DeviceKey>(std::move(answer));
  }
  asio::awaitable<DeviceKey> import_secret(std::uint64_t caller, const Secret& secret) override {
    const Command command = ImportSecret{secret.clone()};
    Answer answer = co_await perform(caller, command);
    co_return std::get<DeviceKey>(std::move(answer));
  }
  asio::awaitable<DeviceKey> import_private_key(std::uint64_t caller, KeyType type,
                                                const Secret& pkcs8) override {
    const Command command = ImportPrivateKey{type, pkcs8.clone()};
    Answer answer = co_await perform(caller, command);
    co_return std::get<DeviceKey>(std::move(answer));
  }
  asio::awaitable<Bytes> sign(std::uint64_t caller, ByteView object, Algorithm algorithm,
                              ByteView digest) override {
    const Command command =
        Sign{{object.begin(), object.end()}, algorithm, {digest.begin(), digest.end()}};
    Answer answer = co_await perform(caller, command);
    co_return std::get<Signature>(std::move(answer)).bytes;
  }
  asio::awaitable<Secret> mac(std::uint64_t caller, ByteView object,
                              const std::vector<Bytes>& chain) override {
    const Command command = Mac{{object.begin(), object.end()}, chain};
    Answer answer = co_await perform(caller, command);
    co_return std::get<Secret>(std::move(answer));
  }
  asio::awaitable<void> remove(std::uint64_t caller, ByteView object) override {
    const Command command = Remove{{object.begin(), object.end()}};
    co_await perform(caller, command);
  }
  asio::awaitable<EnrolledKey> enrol(std::uint64_t caller, std::string uri) override {
    const Command command = Enrol{std::move(uri)};
    Answer answer = co_await perform(caller, command);
    co_return std::get<EnrolledKey>(std::move(answer));
  }

 private:
  asio::awaitable<Answer> perform(std::uint64_t caller, const Command& command);
  Pending prepare(std::uint64_t caller, const Command& command);
  void submit(Pending pending);
  void pump();
  bool may_go(const Pending& next) const;
  std::list<Pending>::iterator behind_those_at_work();
  void begin_those_at_work(Clock::time_point now);
  void receive(ByteView wire);
  void answer(std::uint64_t id, Answer answer);
  void opened(DeviceDescription description);
  void lost();
  void replace(std::string reason);
  void enter(State state, std::string reason);
  void fail_waiting(ErrorKind kind, const std::string& detail);
  void fail_under_way(ErrorKind kind, const std::string& detail);
  void finish(Pending& pending, std::exception_ptr error, Answer answer = {});
  void fail(Pending& pending, ErrorKind kind, const std::string& detail);
  void arm(Clock::time_point due);
  void tick();
  void expire(Clock::time_point now);

  asio::io_context& loop_;
  std::string name_;
  Settings settings_;
  std::function<void()> overdue_;
  std::function<void(const DeviceDescription&)> on_ready_;

  State state_ = State::starting;
  std::string reason_ = "its process is being started";
  DeviceDescription description_;
  bool stopped_ = false;

  FairQueue<Pending> queue_;
  std::list<Pending> under_way_;  // oldest first
  std::shared_ptr<Link> link_;
  std::uint64_t last_id_ = 0;

  Clock::time_point starting_since_ = Clock::now();
  Clock::time_point last_word_;  // of the process

  asio::steady_timer timer_;
  bool armed_ = false;
  Clock::time_point due_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

// ---- from the callers -------------------------------------------------------------------------

asio::awaitable<Answer> LinkedClient::perform(std::uint64_t caller, const Command& command) {
  if (stopped_ || state_ == State::unavailable || state_ == State::refused)
    throw Error(ErrorKind::device_unavailable,
                "device " + name_ + ": " + (stopped_ ? "the daemon is stopping" : reason_));
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

Pending LinkedClient::prepare(std::uint64_t caller, const Command& command) {
  const std::uint64_t id = ++last_id_;
  return {id, caller, encode(id, command), kind_of(command, settings_), Clock::now(), {}, {}};
}

void LinkedClient::submit(Pending pending) {
  const auto since = pending.since;
  const std::uint64_t caller = pending.caller;
  queue_.push(caller, std::move(pending));
  pump();
  arm(since + kTick);
}

// ---- to and from the process ------------------------------------------------------------------

void LinkedClient::pump() {
  const std::size_t most = std::clamp(description_.commands_in_flight, 1U, kMostInFlight);
  while (state_ == State::ready && link_ && under_way_.size() < most) {
    if (queue_.empty() || !may_go(*queue_.next())) return;
    Pending next = *queue_.pop();
    if (!link_->send(next.wire)) {
      // Full: an answer makes room. Gone: the link says so next.
      const std::uint64_t caller = next.caller;
      return queue_.push_front(caller, std::move(next));
    }
    under_way_.push_back(std::move(next));
    begin_those_at_work(Clock::now());
  }
}

// Where several are done at once, what has to be alone waits here and not in the process: its deadline would
// run meanwhile, and that of those behind it.
bool LinkedClient::may_go(const Pending& next) const {
  if (description_.parallel <= 1 || under_way_.empty()) return true;
  return !next.kind.alone && !under_way_.front().kind.alone;
}

// The device is at the first `parallel` of those under way, the others wait for it.
std::list<Pending>::iterator LinkedClient::behind_those_at_work() {
  const std::size_t count =
      std::min<std::size_t>(std::max(description_.parallel, 1U), under_way_.size());
  return std::next(under_way_.begin(), static_cast<std::ptrdiff_t>(count));
}

void LinkedClient::begin_those_at_work(Clock::time_point now) {
  std::for_each(under_way_.begin(), behind_those_at_work(), [now](Pending& pending) {
    if (pending.begun == Clock::time_point()) pending.begun = now;
  });
}

void LinkedClient::attach(UniqueFd socket) {
  if (stopped_) return;
  if (link_) lost();
  if (state_ != State::starting) enter(State::starting, "its process opens the device");
  link_ = Link::open(
      loop_, std::move(socket), [this](ByteView wire) { receive(wire); }, [this] { lost(); });
  last_word_ = Clock::now();
  arm(last_word_ + kTick);
}

void LinkedClient::receive(ByteView wire) {
  last_word_ = Clock::now();
  try {
    auto [id, body] = decode_answer(wire);
    if (id != 0) return answer(id, std::move(body));
    if (auto* ready = std::get_if<Ready>(&body)) return opened(std::move(ready->description));
    if (auto* unavailable = std::get_if<Unavailable>(&body)) {
      if (state_ == State::refused) return;
      enter(State::unavailable, std::move(unavailable->reason));
      return fail_waiting(ErrorKind::device_unavailable, "device " + name_ + ": " + reason_);
    }
    throw Error(ErrorKind::internal, "an answer to no command");
  } catch (const Error& error) {
    log::error("device_protocol", {{"device", name_}, {"error", error.what()}});
    replace("its process broke the protocol and is being replaced");
  }
}

void LinkedClient::answer(std::uint64_t id, Answer answer) {
  const auto found = std::find_if(under_way_.begin(), under_way_.end(),
                                  [id](const Pending& pending) { return pending.id == id; });
  if (found == under_way_.end()) throw Error(ErrorKind::internal, "an answer to no command");
  const auto* failure = std::get_if<Failure>(&answer);
  if (failure == nullptr && answer.index() != found->kind.expects)
    throw Error(ErrorKind::internal, "an answer to another command");
  Pending pending = std::move(*found);
  under_way_.erase(found);
  begin_those_at_work(last_word_);
  pump();
  if (failure != nullptr)
    return finish(pending, std::make_exception_ptr(
                               Error(failure->kind, failure->detail, name_, failure->native_code)));
  if (auto* checked = std::get_if<Ready>(&answer)) {
    description_ = std::move(checked->description);
    begin_those_at_work(last_word_);
  }
  finish(pending, nullptr, std::move(answer));
}

void LinkedClient::opened(DeviceDescription description) {
  description_ = std::move(description);
  begin_those_at_work(last_word_);
  enter(State::ready, {});
  if (on_ready_) on_ready_(description_);
  pump();
}

void LinkedClient::lost() {
  link_->close();
  link_.reset();
  if (state_ != State::ready && state_ != State::starting)
    return fail_under_way(ErrorKind::device_unavailable, "device " + name_ + ": " + reason_);
  if (state_ == State::ready) enter(State::starting, "its process died and is being replaced");
  for (auto pending = under_way_.rbegin(); pending != under_way_.rend(); ++pending) {
    if (!pending->kind.repeatable || !pending->completion) continue;
    pending->kind.repeatable = false;
    pending->begun = {};
    const std::uint64_t caller = pending->caller;
    queue_.push_front(caller, std::move(*pending));
  }
  fail_under_way(ErrorKind::device_unavailable,
                 "device " + name_ + ": its process died; whether this was done is not known");
}

void LinkedClient::replace(std::string reason) {
  if (link_) link_->close();
  link_.reset();
  enter(State::unavailable, std::move(reason));
  const std::string detail = "device " + name_ + ": " + reason_;
  fail_under_way(ErrorKind::device_unavailable, detail);
  fail_waiting(ErrorKind::device_unavailable, detail);
  overdue_();
}

void LinkedClient::refuse(std::string reason) {
  enter(State::refused, std::move(reason));
  fail_waiting(ErrorKind::device_unavailable, "device " + name_ + ": " + reason_);
}

void LinkedClient::stop() {
  stopped_ = true;
  if (link_) link_->close();
  link_.reset();
  timer_.cancel();
  fail_under_way(ErrorKind::device_unavailable, "the daemon is stopping");
  fail_waiting(ErrorKind::device_unavailable, "the daemon is stopping");
}

void LinkedClient::enter(State state, std::string reason) {
  if (state == State::starting && state_ != State::starting) starting_since_ = Clock::now();
  if (state != state_ || reason != reason_)
    log::write(state == State::ready ? log::Level::info : log::Level::warning, "device",
               {{"name", name_}, {"state", std::string(to_string(state))}, {"reason", reason}});
  state_ = state;
  reason_ = std::move(reason);
}

// ---- to the callers ---------------------------------------------------------------------------

void LinkedClient::finish(Pending& pending, std::exception_ptr error, Answer answer) {
  if (!pending.completion) return;
  // Posted, so that nothing runs in the middle of this object's own work.
  asio::post(loop_, [completion = std::move(pending.completion), error = std::move(error),
                     answer = std::move(answer)]() mutable {
    completion(std::move(error), std::move(answer));
  });
}

void LinkedClient::fail(Pending& pending, ErrorKind kind, const std::string& detail) {
  finish(pending, std::make_exception_ptr(Error(kind, detail)));
}

void LinkedClient::fail_waiting(ErrorKind kind, const std::string& detail) {
  while (std::optional<Pending> pending = queue_.pop()) fail(*pending, kind, detail);
}

void LinkedClient::fail_under_way(ErrorKind kind, const std::string& detail) {
  for (Pending& pending : under_way_) fail(pending, kind, detail);
  under_way_.clear();
}

// ---- deadlines --------------------------------------------------------------------------------

void LinkedClient::arm(Clock::time_point due) {
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

void LinkedClient::tick() {
  const auto now = Clock::now();
  expire(now);
  const bool opening = link_ && (state_ == State::starting || state_ == State::unavailable);
  if (opening && now - last_word_ > settings_.open)
    replace("opening takes too long; its process is being replaced");
  else if (std::any_of(under_way_.begin(), behind_those_at_work(), [now](const Pending& pending) {
             return now - pending.begun > pending.kind.deadline;
           }))
    replace("a command takes too long; its process is being replaced");
  pump();

  const bool idle = queue_.empty() && under_way_.empty();
  if (!idle || opening) return arm(now + kTick);
  if (link_ && state_ == State::ready && now - last_word_ >= settings_.check_every) {
    submit(prepare(kNobody, Check{}));
    return arm(now + kTick);
  }
  arm(now + settings_.check_every);
}

void LinkedClient::expire(Clock::time_point now) {
  if (state_ == State::starting)
    queue_.expire(
        [&](const Pending& pending) {
          return now - std::max(pending.since, starting_since_) > settings_.restart_grace;
        },
        [&](Pending pending) {
          fail(pending, ErrorKind::device_unavailable, "device " + name_ + ": " + reason_);
        });
  const auto waited = [&](const Pending& pending) { return now - pending.since > settings_.wait; };
  const std::string late = "device " + name_ + " is busy; this waited too long";
  queue_.expire(waited, [&](Pending pending) { fail(pending, ErrorKind::overloaded, late); });
  // Behind a long command (a key generation) a short one is given up, and its answer dropped.
  std::for_each(behind_those_at_work(), under_way_.end(), [&](Pending& pending) {
    if (waited(pending)) fail(pending, ErrorKind::overloaded, late);
  });
}

}  // namespace

std::string_view to_string(State state) noexcept {
  switch (state) {
    case State::starting:
      return "starting";
    case State::ready:
      return "ready";
    case State::unavailable:
      return "unavailable";
    case State::refused:
      return "refused";
  }
  return "unavailable";
}

std::unique_ptr<Client> Client::make(asio::io_context& loop, std::string name, Settings settings,
                                     std::function<void()> overdue) {
  return std::make_unique<LinkedClient>(loop, std::move(name), settings, std::move(overdue));
}

}  // namespace holdfast::device
