#include "daemon/device/server.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/device/control.h"
#include "daemon/device/execute.h"
#include "daemon/device/packet.h"
#include "daemon/device/workers.h"

namespace holdfast::device {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry{100};
constexpr milliseconds kLastRetry{500};

class Server {
 public:
  Server(int control, const Factory& open) : control_(control), open_(open) {}

  void run() {
    reopen();
    while (wait()) {
    }
    send_owed();
  }

 private:
  // One turn; false when it is time to leave.
  bool wait() {
    pollfd ready[2] = {{control_, POLLIN, 0},
                       {workers_ ? workers_->lost_fd() : link_.get(), POLLIN, 0}};
    const int patience = !owed_.empty() ? 0 : backend_ ? -1 : until_retry();
    if (::poll(ready, 2, patience) < 0 && errno != EINTR) throw_errno(ErrorKind::internal, "poll");
    if (ready[0].revents != 0) return obey();
    if (ready[1].revents == 0)
      send_owed();
    else if (workers_)
      close(workers_->take_loss());
    else
      receive();
    if (!backend_ && Clock::now() >= next_try_) reopen();
    return !is_another_;
  }

  int until_retry() const {
    const auto left = std::chrono::ceil<milliseconds>(next_try_ - Clock::now());
    return static_cast<int>(std::max(left, milliseconds{0}).count());
  }

  bool obey() {
    auto message = receive_control(control_);
    if (!message || message->body.contains("stop")) return false;
    if (message->body.contains("link") && message->descriptors.size() == 1) {
      if (workers_) workers_->detach();
      link_ = std::move(message->descriptors.front());
      owed_.clear();
      tell_state();
      if (workers_) workers_->attach(link_.get());
    }
    return true;
  }

  void reopen() {
    try {
      backend_ = open_();
      const DeviceDescription& device = backend_->describe();
      // The core admitted the first one only, and commands may be on their way: they go to a successor, which
      // it judges before it sends any. As many threads as at first are there for it.
      is_another_ = parent_.value_or(device.parent_name) != device.parent_name ||
                    (workers_ && workers_->count() != device.parallel);
      if (is_another_) return log::warning("device_is_another", {{"parent", device.parent_name}});
      parent_ = device.parent_name;
      reason_.clear();
      retry_ = kFirstRetry;
      if (!std::exchange(opened_, true)) send_control(control_, {{"ready", true}});
      if (device.parallel > 1) share();
    } catch (const std::exception& error) {
      if (reason_ != error.what()) log::warning("device_not_opened", {{"why", error.what()}});
      close(error.what());
      retry_ = std::min(retry_ * 2, kLastRetry);
    }
    tell_state();
  }

  // From now on this thread only opens the device and hears the supervisor.
  void share() {
    if (!workers_) {
      send_owed();
      workers_.emplace(backend_->describe().parallel);
      if (link_) workers_->attach(link_.get());
    }
    workers_->use(backend_.get(), {});
  }

  void close(std::string reason) {
    if (workers_) workers_->use(nullptr, reason);
    backend_.reset();
    reason_ = std::move(reason);
    next_try_ = Clock::now() + retry_;
  }

  void tell_state() {
    if (backend_)
      send(encode(0, Ready{backend_->describe()}));
    else
      send(encode(0, Unavailable{reason_}));
  }

  void receive() {
    const auto wire = receive_packet(link_.get(), buffer_);
    if (!wire) return link_.reset();
    const Message<Command> command = decode_command(*wire);
    cleanse(buffer_.data(), wire->size());
    // Only a signature says when the device is at work.
    if (!std::holds_alternative<Sign>(command.body)) send_owed();
    Wire reply = encode(command.id, answer(command.body));
    send_owed();
    owed_ = std::move(reply);
  }

  Answer answer(const Command& command) {
    if (!backend_) return Failure{ErrorKind::device_unavailable, 0, reason_};
    Executed done = execute(*backend_, command, [this] { send_owed(); });
    if (!done.loss.empty()) {
      close(std::move(done.loss));
      tell_state();  // first, so that the core sends no more
    }
    return std::move(done.answer);
  }

  void send_owed() {
    if (!owed_.empty()) send(std::exchange(owed_, {}));
  }

  void send(const Wire& wire) {
    send_owed();
    if (!link_ || send_packet(link_.get(), wire)) return;
    // Its number may not become another file's while workers use it, who find it closed themselves.
    if (!workers_) link_.reset();
  }

  int control_;
  const Factory& open_;
  UniqueFd link_;
  std::unique_ptr<Backend> backend_;
  std::string reason_ = "the device is being opened";
  bool opened_ = false;
  std::optional<std::string> parent_;  // the device's storage root, since it was first opened
  bool is_another_ = false;
  milliseconds retry_ = kFirstRetry;
  Clock::time_point next_try_;
  Wire buffer_ = Wire(kBufferBytes);
  Wire owed_;  // the last answer: the next command goes to the device before it
  std::optional<Workers> workers_;  // in place of receive(), once the device can do several at once
};

}  // namespace

void serve(int control, const Factory& open) {
  Server(control, open).run();
}

}  // namespace holdfast::device
