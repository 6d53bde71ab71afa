#include "daemon/socket/connection.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sys/socket.h>

#include <cerrno>

#include "daemon/base/log.h"

namespace holdfast::socket {
namespace {

namespace asio = boost::asio;
using asio::posix::descriptor_base;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

// After so many answers in a row without a wait, others get their turn.
constexpr unsigned kTurn = 16;
// What a refused client may still send before it is cut off.
constexpr std::size_t kMaxDiscarded = 1024 * 1024;
// Larger replies count as buffered until they are sent; one of each connection this large may wait beside.
constexpr std::size_t kSmallReply = 4096;

}  // namespace

Connection::Connection(std::shared_ptr<State> state, asio::io_context& loop, UniqueFd fd,
                       Sender sender, bool admitted)
    : state_(std::move(state)), socket_(loop, fd.release()), sender_(sender) {
  state_->guests.push_back(*this);
  if (admitted)
    place_.emplace(state_->accounts, sender_.uid());
  else
    ++state_->refused;
}

Connection::~Connection() {
  session_.reset();
  unlink();
  if (!place_) --state_->refused;
  if (state_->stopping && state_->guests.empty()) {
    state_->sweep_timer.cancel();
    state_->drained.cancel();
  }
}

void Connection::expire(SteadyTime now) {
  if (!waiting_ || now < deadline_) return;
  expired_ = true;
  socket_.cancel();
}

void Connection::interrupt() {
  if (waiting_) socket_.cancel();
}

void Connection::set_deadline(std::chrono::milliseconds from_now) {
  deadline_ = std::chrono::steady_clock::now() + from_now;
}

void Connection::hold(std::size_t bytes) {
  if (!place_->hold(bytes))
    throw Error(ErrorKind::overloaded, "too many requests are under way; try again later");
}

asio::awaitable<bool> Connection::join() {
  ++state_->preparing;
  std::exception_ptr failure;
  try {
    co_await session_->prepare();
  } catch (...) {
    failure = std::current_exception();
  }
  --state_->preparing;
  state_->prepared.cancel();
  if (failure) std::rethrow_exception(failure);
  if (place_->join(session_->standing())) co_return true;
  session_.reset();
  place_.reset();
  ++state_->refused;
  co_return false;
}

asio::awaitable<bool> Connection::wait(descriptor_base::wait_type what) {
  waiting_ = true;
  const auto [ec] = co_await socket_.async_wait(what, kNoThrow);
  waiting_ = false;
  if (ec || expired_) co_return false;
  if (what == descriptor_base::wait_read) co_await take_turn();
  co_return true;
}

asio::awaitable<void> Connection::take_turn() {
  Turn& turn = place_ ? place_->turn() : state_->refused_turn;
  if (!state_->turns.take(turn)) co_await state_->turns.wait(turn);
}

asio::awaitable<bool> Connection::read() {
  for (;;) {
    std::size_t size = 0;
    const Received received = sender_.receive(socket_.native_handle(), state_->scratch, size);
    if (received == Received::data) {
      if (unread_.empty()) set_deadline(state_->limits.request_deadline);
      unread_.insert(unread_.end(), state_->scratch.data(), state_->scratch.data() + size);
      cleanse(state_->scratch.data(), size);
      hold(unread_.size());
      co_return true;
    }
    if (received == Received::foreign) {
      cleanse(state_->scratch.data(), size);
      log::warning("foreign_sender", {{"connector_pid", std::to_string(sender_.pid())},
                                      {"connector_uid", std::to_string(sender_.uid())}});
      co_return false;
    }
    if (received == Received::failed) co_return false;
    if (received == Received::end) {
      if (unread_.empty()) co_return false;
      throw Error(ErrorKind::invalid_request, "the connection ended before the request was whole");
    }
    if (state_->stopping) {
      if (unread_.empty()) co_return false;
      throw Error(ErrorKind::overloaded, "the daemon is stopping; connect again");
    }
    co_await wait(descriptor_base::wait_read);
    if (expired_) {
      if (unread_.empty()) co_return false;
      throw Error(ErrorKind::timeout, "the whole request must arrive within " +
                                          std::to_string(state_->limits.request_deadline.count()) +
                                          " ms");
    }
  }
}

asio::awaitable<std::optional<Request>> Connection::receive() {
  set_deadline(unread_.empty() ? state_->limits.idle : state_->limits.request_deadline);
  std::size_t checked = 0;
  std::size_t header = 0;
  while ((header = find_header_end(unread(), checked)) == 0) {
    const bool more = co_await read();
    if (!more) co_return std::nullopt;
  }
  std::size_t body = 0;
  Request request = parse_header(unread().substr(0, header), body);
  while (unread_.size() - header < body) {
    const bool more = co_await read();
    if (!more) co_return std::nullopt;
  }
  const auto start = unread_.begin() + static_cast<std::ptrdiff_t>(header);
  const auto end = start + static_cast<std::ptrdiff_t>(body);
  request.body.assign(start, end);
  if (end == unread_.end())
    Buffer().swap(unread_);
  else
    unread_.erase(unread_.begin(), end);
  hold(unread_.size() + body);
  co_return request;
}

asio::awaitable<Response> Connection::answer(Request request, std::string request_id) {
  try {
    co_return co_await session_->handle(std::move(request), request_id);
  } catch (const Error& error) {
    co_return problem(error, request_id);
  } catch (const std::exception& exception) {
    log::error("request_failed", {{"request_id", request_id}, {"what", exception.what()}});
    co_return problem(
        Error(ErrorKind::internal, "the daemon's log says more under this request_id"), request_id);
  }
}

// Whoever asks for much and does not read it holds memory all the same.
std::string Connection::held(Response response, const std::string& request_id, bool keep_alive,
                             bool head) {
  response.headers.emplace_back("X-Request-Id", request_id);
  std::string reply = serialize(response, keep_alive, head);
  const std::size_t large = reply.size() > kSmallReply ? reply.size() : 0;
  if (place_->hold(unread_.size() + large)) return reply;
  Response refusal =
      problem(Error(ErrorKind::overloaded, "too many replies wait to be read; try again later"),
              request_id);
  refusal.headers.emplace_back("X-Request-Id", request_id);
  place_->hold(unread_.size());
  return serialize(refusal, keep_alive, head);
}

asio::awaitable<bool> Connection::send(std::string reply) {
  set_deadline(state_->limits.request_deadline);
  std::string_view rest = reply;
  while (!rest.empty()) {
    const ssize_t n =
        ::send(socket_.native_handle(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return false;
    co_await wait(descriptor_base::wait_write);
    if (expired_) co_return false;
  }
  co_return true;
}

asio::awaitable<void> Connection::refuse(Error error) {
  const std::string request_id = state_->request_ids.next();
  Response response = problem(error, request_id);
  response.headers.emplace_back("X-Request-Id", request_id);
  expired_ = false;
  const bool sent = co_await send(serialize(response, false));
  if (!sent) co_return;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  set_deadline(kLinger);
  for (std::size_t discarded = 0; discarded < kMaxDiscarded && !state_->stopping;) {
    const ssize_t n = ::recv(socket_.native_handle(), state_->scratch.data(),
                             state_->scratch.size(), MSG_DONTWAIT);
    if (n > 0) {
      cleanse(state_->scratch.data(), static_cast<std::size_t>(n));
      discarded += static_cast<std::size_t>(n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      co_return;
    } else if (errno == EAGAIN) {
      const bool ready = co_await wait(descriptor_base::wait_read);
      if (!ready) co_return;
    }
  }
}

asio::awaitable<void> Connection::run(std::shared_ptr<Connection> connection) {
  Connection& self = *connection;
  State& state = *self.state_;
  if (state.stopping) co_return;
  std::optional<Error> refusal;
  if (self.place_) {
    try {
      self.session_ = state.accept(self.socket_.native_handle());
      const bool joined = co_await self.join();
      if (!joined && state.refused > kRefusedAtOnce) co_return;
    } catch (const Error& error) {
      refusal = error;
    } catch (const std::exception& exception) {
      log::error("accept_failed", {{"what", exception.what()}});
      refusal.emplace(ErrorKind::internal, "the daemon's log says more");
    }
  }
  if (!self.place_) refusal.emplace(ErrorKind::overloaded, "too many connections; try again later");
  for (unsigned in_a_row = 1; !refusal; ++in_a_row) {
    std::optional<Request> request;
    try {
      request = co_await self.receive();
    } catch (const Error& error) {
      refusal = error;
      break;
    }
    if (!request) co_return;
    const bool wants_more = request->keep_alive;
    const bool head = request->method == "HEAD";
    const std::string request_id = state.request_ids.next();
    Response response = co_await self.answer(std::move(*request), request_id);
    request.reset();
    const bool keep_alive = wants_more && !state.stopping;
    const bool sent =
        co_await self.send(self.held(std::move(response), request_id, keep_alive, head));
    self.hold(self.unread_.size());
    if (!sent || !keep_alive) co_return;
    if (!self.unread_.empty()) co_await self.take_turn();
    if (in_a_row % kTurn == 0)
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
  co_await self.refuse(std::move(*refusal));
}

}  // namespace holdfast::socket
