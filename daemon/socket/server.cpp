#include "daemon/socket/server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/socket.h>

#include <cerrno>

#include "daemon/base/log.h"
#include "daemon/socket/connection.h"

namespace holdfast::socket {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

constexpr int kBacklog = 4096;
// Before others have their turn: looks into the backlog, the last at the first client that is still there.
constexpr int kLooksAtOnce = 16;
constexpr auto kRetryAccept = 100ms;

// Often enough that a deadline is kept within a quarter of itself, rarely enough to cost nothing.
std::chrono::milliseconds sweep_period(const Limits& limits) {
  return std::clamp(std::min(limits.request_deadline, limits.idle) / 4, 10ms, 250ms);
}

asio::awaitable<void> sweep(std::shared_ptr<State> state) {
  while (!state->guests.empty()) {
    state->sweep_timer.expires_after(sweep_period(state->limits));
    co_await state->sweep_timer.async_wait(kNoThrow);
    const SteadyTime now = std::chrono::steady_clock::now();
    for (Guest& guest : state->guests) guest.expire(now);
  }
  state->sweeping = false;
}

// A flood of clients that connect and leave must not fill the backlog, so they cost nothing more.
bool has_left(int socket) {
  char byte;
  return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void admit(asio::io_context& loop, const std::shared_ptr<State>& state, UniqueFd fd) {
  const Sender sender(fd.get());
  const bool admitted = state->accounts.admits(sender.uid());
  if (!admitted && state->refused >= kRefusedAtOnce) return;
  auto connection = std::make_shared<Connection>(state, loop, std::move(fd), sender, admitted);
  asio::co_spawn(loop, Connection::run(std::move(connection)), asio::detached);
  if (!std::exchange(state->sweeping, true)) asio::co_spawn(loop, sweep(state), asio::detached);
}

asio::awaitable<void> accept_all(asio::io_context& loop, std::shared_ptr<State> state) {
  while (!state->stopping) {
    if (state->preparing >= kPreparedAtOnce) {
      co_await state->prepared.async_wait(kNoThrow);
      continue;
    }
    co_await state->listener.async_wait(asio::posix::descriptor_base::wait_read, kNoThrow);
    for (int i = 0; i < kLooksAtOnce && !state->stopping; ++i) {
      UniqueFd fd(::accept4(state->listener.native_handle(), nullptr, nullptr,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (fd && has_left(fd.get())) continue;
      if (!fd && (errno == EINTR || errno == ECONNABORTED)) continue;
      if (!fd && errno == EAGAIN) break;
      if (!fd) {
        // EMFILE, ENFILE, ENOMEM: the connection stays in the backlog, so waiting for it would
        // spin.
        log::warning("accept_failed", {{"errno", std::to_string(errno)}});
        state->retry_timer.expires_after(kRetryAccept);
        co_await state->retry_timer.async_wait(kNoThrow);
        break;
      }
      try {
        admit(loop, state, std::move(fd));
      } catch (const std::exception& exception) {
        log::error("connection_dropped", {{"what", exception.what()}});
      }
      break;
    }
  }
}

class UnixServer final : public Server {
 public:
  UnixServer(asio::io_context& loop, std::shared_ptr<State> state) : state_(std::move(state)) {
    asio::co_spawn(loop, accept_all(loop, state_), asio::detached);
  }
  ~UnixServer() override { close(); }

  asio::awaitable<void> stop() override {
    const auto state = state_;
    close();
    while (!state->guests.empty()) co_await state->drained.async_wait(kNoThrow);
  }

  std::size_t connections() const override { return state_->accounts.connections(); }

 private:
  void close() {
    if (std::exchange(state_->stopping, true)) return;
    boost::system::error_code ignored;
    state_->listener.close(ignored);
    state_->retry_timer.cancel();
    state_->prepared.cancel();
    for (Guest& guest : state_->guests) guest.interrupt();
    if (state_->guests.empty()) state_->sweep_timer.cancel();
  }

  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<Server> Server::make(asio::io_context& loop, UniqueFd listener, Limits limits,
                                     Accept accept) {
  const int on = 1;
  // Before listen(): bytes sent before accept() would come without credentials otherwise.
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
    throw_errno(ErrorKind::internal, "SO_PASSCRED");
  if (::listen(listener.get(), kBacklog) != 0) throw_errno(ErrorKind::internal, "listen");
  auto state = std::make_shared<State>(loop, limits, std::move(accept));
  state->listener.assign(listener.get());
  listener.release();
  state->listener.native_non_blocking(true);
  return std::make_unique<UnixServer>(loop, std::move(state));
}

}  // namespace holdfast::socket
