// The way of a command to a device process and of its answer back: Client's promises, for one Command of any
// kind.
#pragma once

#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "daemon/device/client.h"
#include "daemon/device/link.h"
#include "daemon/device/queue.h"
#include "daemon/device/under_way.h"

namespace holdfast::device {

class Dispatcher {
 public:
  Dispatcher(boost::asio::io_context& loop, std::string name, Settings settings,
             std::function<void()> overdue)
      : loop_(loop),
        name_(std::move(name)),
        settings_(settings),
        overdue_(std::move(overdue)),
        queue_(settings.queue_limit, settings.queue_limit_per_caller),
        timer_(loop) {}
  ~Dispatcher() {
    if (link_) link_->close();
  }
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // `command` has to live until it is answered.
  boost::asio::awaitable<Answer> perform(std::uint64_t caller, const Command& command);

  // Client's.
  void attach(UniqueFd socket);
  void refuse(std::string reason);
  void on_ready(std::function<void(const DeviceDescription&)> callback) {
    on_ready_ = std::move(callback);
  }
  void on_answered(std::function<void(Client::Duration, Client::Duration)> callback) {
    on_answered_ = std::move(callback);
  }
  void stop();
  State state() const { return state_; }
  const std::string& reason() const { return reason_; }
  const DeviceDescription& description() const { return description_; }
  const std::string& name() const { return name_; }
  bool idle() const { return queue_.empty() && under_way_.empty(); }

 private:
  using Clock = std::chrono::steady_clock;

  Pending prepare(std::uint64_t caller, const Command& command);
  void submit(Pending pending);
  void pump();
  void receive(ByteView wire);
  void answer(std::uint64_t id, Answer answer);
  void describe(DeviceDescription description);
  void opened(DeviceDescription description);
  void lost();
  void replace(std::string reason);
  void enter(State state, std::string reason);
  void drop(const std::string& detail);
  std::string why(const std::string& reason) const { return "device " + name_ + ": " + reason; }
  void fail_waiting(const std::string& detail);
  void fail_all(std::deque<Pending> commands, const std::string& detail);
  void finish(Pending& pending, std::exception_ptr error, Answer answer = {});
  void fail(Pending& pending, ErrorKind kind, const std::string& detail);
  void arm(Clock::time_point due);
  void tick();
  void expire(Clock::time_point now);

  boost::asio::io_context& loop_;
  std::string name_;
  Settings settings_;
  std::function<void()> overdue_;
  std::function<void(const DeviceDescription&)> on_ready_;
  std::function<void(Client::Duration, Client::Duration)> on_answered_;

  State state_ = State::starting;
  std::string reason_ = "its process is being started";
  DeviceDescription description_;
  bool stopped_ = false;

  FairQueue<Pending> queue_;
  UnderWay under_way_;
  std::shared_ptr<Link> link_;
  std::uint64_t last_id_ = 0;

  Clock::time_point starting_since_ = Clock::now();
  Clock::time_point last_word_;  // of the process

  boost::asio::steady_timer timer_;
  bool armed_ = false;
  Clock::time_point due_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace holdfast::device
