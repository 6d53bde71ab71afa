#include "daemon/device/server.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/device/control.h"
#include "daemon/device/message.h"

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
    pollfd ready[2] = {{control_, POLLIN, 0}, {link_.get(), POLLIN, 0}};
    const int patience = !owed_.empty() ? 0 : backend_ ? -1 : until_retry();
    if (::poll(ready, 2, patience) < 0 && errno != EINTR) throw_errno(ErrorKind::internal, "poll");
    if (ready[0].revents != 0) return obey();
    if (ready[1].revents != 0)
      receive();
    else
      send_owed();
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
      link_ = std::move(message->descriptors.front());
      owed_.clear();
      tell_state();
    }
    return true;
  }

  void reopen() {
    try {
      backend_ = open_();
      // The core admitted the first one only, and commands may be on their way: they go to a successor, which
      // it judges before it sends any.
      const std::string& parent = backend_->describe().parent_name;
      is_another_ = parent_.value_or(parent) != parent;
      if (is_another_) return log::warning("device_is_another", {{"parent", parent}});
      parent_ = parent;
      reason_.clear();
      retry_ = kFirstRetry;
      if (!std::exchange(opened_, true)) send_control(control_, {{"ready", true}});
    } catch (const std::exception& error) {
      if (reason_ != error.what()) log::warning("device_not_opened", {{"why", error.what()}});
      close(error.what());
      retry_ = std::min(retry_ * 2, kLastRetry);
    }
    tell_state();
  }

  void close(std::string reason) {
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
    buffer_.resize(kMostMessageBytes);
    const ssize_t size =
        ::recv(link_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || static_cast<std::size_t>(size) > buffer_.size()) return link_.reset();
    const ByteView wire(buffer_.data(), static_cast<std::size_t>(size));
    try {
      const Message<Command> command = decode_command(wire);
      cleanse(buffer_.data(), wire.size());
      // Only a signature says when the device is at work.
      if (!std::holds_alternative<Sign>(command.body)) send_owed();
      Wire reply = encode(command.id, answer(command.body));
      send_owed();
      owed_ = std::move(reply);
    } catch (const Error& error) {
      // The core is trusted, so this is a defect: a closed link shows it, an answer would hide it.
      log::error("device_protocol", {{"error", error.what()}});
      link_.reset();
    }
  }

  Answer answer(const Command& command) {
    if (!backend_) return Failure{ErrorKind::device_unavailable, 0, reason_};
    try {
      return execute(command);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::device_unavailable) {
        log::warning("device_lost", {{"why", error.what()}});
        close(error.what());
        tell_state();  // first, so that the core sends no more
      }
      if (error.kind() == ErrorKind::internal)
        log::error("device_command_failed", {{"why", error.what()}});
      return Failure{error.kind(), error.native_code(), error.detail()};
    } catch (const std::exception& error) {
      return Failure{ErrorKind::internal, 0, error.what()};
    }
  }

  Answer execute(const Command& command) {
    if (const auto* mac = std::get_if<Mac>(&command)) return backend_->mac(mac->object, mac->chain);
    if (const auto* sign = std::get_if<Sign>(&command))
      return Signature{
          backend_->sign(sign->object, sign->algorithm, sign->digest, [this] { send_owed(); })};
    if (const auto* create = std::get_if<Create>(&command)) return backend_->create(create->type);
    if (const auto* import = std::get_if<ImportSecret>(&command))
      return backend_->import_secret(import->secret);
    if (const auto* import = std::get_if<ImportPrivateKey>(&command))
      return backend_->import_private_key(import->type, import->pkcs8);
    if (const auto* remove = std::get_if<Remove>(&command)) {
      backend_->remove(remove->object);
      return Removed{};
    }
    backend_->check();
    return Ready{backend_->describe()};
  }

  void send_owed() {
    if (!owed_.empty()) send(std::exchange(owed_, {}));
  }

  void send(const Wire& wire) {
    send_owed();
    if (!link_) return;
    while (::send(link_.get(), wire.data(), wire.size(), MSG_NOSIGNAL) < 0)
      if (errno != EINTR) return link_.reset();
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
  Wire buffer_;
  Wire owed_;  // the last answer: the next command goes to the device before it
};

}  // namespace

void serve(int control, const Factory& open) {
  Server(control, open).run();
}

}  // namespace holdfast::device
