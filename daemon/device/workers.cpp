#include "daemon/device/workers.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "daemon/base/error.h"
#include "daemon/device/execute.h"
#include "daemon/device/packet.h"

namespace holdfast::device {

Workers::Workers(unsigned count)
    : count_(count), lost_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!lost_fd_) throw_errno(ErrorKind::internal, "eventfd");
}

void Workers::attach(int link) {
  link_ = link;
  leaving_ = false;
  threads_.reserve(count_);
  for (unsigned i = 0; i < count_; ++i) threads_.emplace_back([this, link] { work(link); });
}

void Workers::detach() {
  leaving_ = true;
  if (link_ >= 0) ::shutdown(link_, SHUT_RD);  // wakes those that wait
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  link_ = -1;
}

void Workers::use(Backend* backend, std::string reason) {
  const std::unique_lock lock(device_);
  backend_ = backend;
  reason_ = std::move(reason);
  const std::lock_guard loss(loss_mutex_);
  is_lost_ = false;
  loss_.clear();
}

std::string Workers::take_loss() {
  eventfd_t ignored = 0;
  ::eventfd_read(lost_fd_.get(), &ignored);
  const std::lock_guard lock(loss_mutex_);
  if (defect_) std::rethrow_exception(defect_);
  return loss_;
}

void Workers::work(int link) {
  Wire buffer(kBufferBytes);
  try {
    while (!leaving_) {
      const auto wire = receive_packet(link, buffer);
      if (!wire || leaving_) return;
      const Message<Command> command = decode_command(*wire);
      cleanse(buffer.data(), wire->size());
      if (!send_packet(link, encode(command.id, answer(link, command.body)))) return;
    }
  } catch (const Error&) {
    const std::lock_guard lock(loss_mutex_);
    defect_ = std::current_exception();
    ::eventfd_write(lost_fd_.get(), 1);
  }
}

Answer Workers::answer(int link, const Command& command) {
  if (!runs_beside_others(command)) {
    const std::unique_lock alone(device_);
    return attempt(link, command);
  }
  const std::shared_lock beside_others(device_);
  return attempt(link, command);
}

// With the device held: the loss that it notes is of the device that failed, and not of its successor.
Answer Workers::attempt(int link, const Command& command) {
  if (backend_ == nullptr) return Failure{ErrorKind::device_unavailable, 0, reason_};
  if (is_lost_)
    return Failure{ErrorKind::device_unavailable, 0, "the device is being opened again"};
  Executed done = execute(*backend_, command, [] {});
  if (!done.loss.empty()) lose(link, done.loss);
  return std::move(done.answer);
}

void Workers::lose(int link, const std::string& reason) {
  const std::lock_guard lock(loss_mutex_);
  if (is_lost_) return;
  is_lost_ = true;
  loss_ = reason;
  send_packet(link, encode(0, Unavailable{reason}));  // first, so that the core sends no more
  ::eventfd_write(lost_fd_.get(), 1);
}

}  // namespace holdfast::device
