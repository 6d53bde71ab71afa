// A C++20 client of the Holdfast daemon for programs that run on Boost.Asio: each call is a coroutine. It needs
// libholdfast, which finds and checks the socket, and Boost 1.81. Header-only. docs/sdk.md shows its use.
//
// Threads: one strand (or one thread) for a client and all its calls. fork: as Asio asks, notify_fork() of the
// io_context before and after, and no call under way; the child then makes connections of its own. Connecting
// looks the user `holdfast` up and so reads /etc/passwd; all else waits in the event loop.
// Errors are those of holdfast.hpp. Dropping a call that waits closes its connection: the request may have
// been carried out.
#pragma once

#include <sys/socket.h>
#include <unistd.h>
#include <holdfast/holdfast.hpp>

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstring>
#include <list>
#include <memory>

namespace holdfast {
namespace detail {

namespace asio = boost::asio;
namespace http = boost::beast::http;

// Requests and replies hold session tokens and minted ones.
template <class T>
struct wiping_allocator {
  using value_type = T;
  wiping_allocator() = default;
  template <class U>
  wiping_allocator(const wiping_allocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* place, std::size_t count) noexcept {
    explicit_bzero(place, count * sizeof(T));
    std::allocator<T>().deallocate(place, count);
  }
  template <class U>
  bool operator==(const wiping_allocator<U>&) const noexcept {
    return true;
  }
};
using wiping_body = http::basic_string_body<char, std::char_traits<char>, wiping_allocator<char>>;
using wiping_buffer = boost::beast::basic_flat_buffer<wiping_allocator<char>>;

using asio_clock = std::chrono::steady_clock;

struct asio_connection {
  using stream_type = boost::beast::basic_stream<asio::local::stream_protocol>;

  asio_connection(const asio::any_io_executor& executor, int fd)
      : stream(executor), pid(getpid()), uid(getuid()), effective_uid(geteuid()) {
    stream.socket().assign(asio::local::stream_protocol(), fd);
  }
  // As in libholdfast: not the parent's, not another user's, not dead, and with nothing that nobody asked for.
  bool usable() {
    char byte;
    return pid == getpid() && uid == getuid() && effective_uid == geteuid() &&
           recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
  }

  stream_type stream;
  pid_t pid;
  uid_t uid;
  uid_t effective_uid;
};

enum class asio_outcome { answered, unread, silent };

// Shared by the client and its calls, so that a call can outlive the client.
struct asio_state {
  asio::any_io_executor executor;
  options given;
  std::size_t max_connections;
  std::size_t busy = 0;
  std::list<std::unique_ptr<asio_connection>> idle;
  std::list<asio::steady_timer*> waiting;
};

// One of the client's connections, from when a call has its turn until it ends.
class asio_turn {
 public:
  explicit asio_turn(asio_state& state) : state_(state) { ++state_.busy; }
  asio_turn(const asio_turn&) = delete;
  asio_turn& operator=(const asio_turn&) = delete;
  ~asio_turn() {
    --state_.busy;
    if (state_.waiting.empty()) return;
    state_.waiting.front()->cancel();
    state_.waiting.pop_front();
  }

 private:
  asio_state& state_;
};

// A timer in the queue of those that wait for their turn; it leaves the queue however it ends.
class asio_place {
 public:
  asio_place(asio_state& state, asio_clock::time_point deadline)
      : state_(state), timer(state.executor, deadline) {
    state_.waiting.push_back(&timer);
  }
  asio_place(const asio_place&) = delete;
  asio_place& operator=(const asio_place&) = delete;
  ~asio_place() { state_.waiting.remove(&timer); }

 private:
  asio_state& state_;

 public:
  asio::steady_timer timer;
};

[[noreturn]] inline void raise_late() {
  throw error(HOLDFAST_DEADLINE,
              "the daemon did not answer in time; the request may have been carried out");
}

inline asio::awaitable<void> wait_for_turn(std::shared_ptr<asio_state> state,
                                           asio_clock::time_point deadline) {
  while (state->busy >= state->max_connections) {
    asio_place place(*state, deadline);
    boost::system::error_code cancelled;
    auto token = asio::redirect_error(asio::use_awaitable, cancelled);
    co_await place.timer.async_wait(token);
    if (!cancelled)
      throw error(HOLDFAST_DEADLINE, "no connection became free in time; nothing was sent");
  }
}

inline std::unique_ptr<asio_connection> take_idle(asio_state& state) {
  while (!state.idle.empty()) {
    std::unique_ptr<asio_connection> connection = std::move(state.idle.front());
    state.idle.pop_front();
    if (connection->usable()) return connection;
  }
  return nullptr;
}

inline std::unique_ptr<asio_connection> connect_now(asio_state& state) {
  const owned<char> path = with(state.given, [](const holdfast_options* c) {
    return checked<char>(
        [&](auto output, auto failure) { return holdfast_find_socket(c, output, failure); });
  });
  int fd = -1;
  holdfast_error* failure = nullptr;
  if (holdfast_connect(path.get(), &fd, &failure) != HOLDFAST_OK) raise(failure);
  return std::make_unique<asio_connection>(state.executor, fd);
}

inline asio::awaitable<void> pause(asio_state& state, std::chrono::milliseconds time) {
  asio::steady_timer timer(state.executor, time);
  co_await timer.async_wait(asio::use_awaitable);
}

inline asio::awaitable<std::unique_ptr<asio_connection>> connect_patiently(
    std::shared_ptr<asio_state> state, asio_clock::time_point until,
    asio_clock::time_point deadline) {
  std::chrono::milliseconds time(2);
  for (;;) {
    try {
      std::unique_ptr<asio_connection> connection = connect_now(*state);
      co_return connection;
    } catch (const error& failure) {
      // A full queue is waited for, as connect(2) does in the blocking client.
      const bool full = failure.code() == HOLDFAST_OVERLOADED;
      const bool passes = full || failure.code() == HOLDFAST_NO_SOCKET;
      if (!passes || asio_clock::now() >= (full ? deadline : until)) throw;
    }
    co_await pause(*state, time);
    time = std::min(time * 2, std::chrono::milliseconds(50));
  }
}

using asio_request = http::request<wiping_body>;
using asio_parser = http::response_parser<wiping_body>;

[[noreturn]] inline void raise_bad(const std::string& why) {
  throw error(HOLDFAST_BAD_REPLY, "not a reply of this protocol, or more than 1 MiB: " + why);
}

// The daemon's framing is narrower than what Beast takes.
inline void check_framing(const asio_parser& parser) {
  const auto& reply = parser.get();
  if (reply.version() != 11 || parser.chunked() || reply.result_int() < 200 ||
      (reply.result() != http::status::no_content && reply.count(http::field::content_length) != 1))
    raise_bad("its framing");
}

// Throws what is neither an answer nor worth a further try.
inline asio::awaitable<asio_outcome> exchange(asio_connection& connection, asio_request& request,
                                              asio_parser& parser, asio_clock::time_point deadline,
                                              bool& keep) {
  auto& stream = connection.stream;
  stream.expires_at(deadline);
  boost::system::error_code failure;
  auto token = asio::redirect_error(asio::use_awaitable, failure);
  co_await http::async_write(stream, request, token);
  if (failure == boost::beast::error::timeout) raise_late();
  const bool sent = !failure;

  // The daemon may refuse early and close: its answer counts, not the failed write.
  wiping_buffer buffer;
  co_await http::async_read(stream, buffer, parser, token);
  keep = sent && !failure && parser.get().keep_alive() && buffer.size() == 0;
  if (!failure) {
    check_framing(parser);
    co_return asio_outcome::answered;
  }
  if (failure == boost::beast::error::timeout) raise_late();
  if (!parser.got_some() && failure == asio::error::connection_reset)
    co_return asio_outcome::unread;
  if (!parser.got_some() && failure == http::error::end_of_stream)
    co_return sent ? asio_outcome::silent : asio_outcome::unread;
  if (failure.category() == make_error_code(http::error::end_of_stream).category() &&
      failure != http::error::partial_message)
    raise_bad(failure.message());
  throw error(HOLDFAST_CONNECTION_LOST, "the connection broke before the reply was whole (" +
                                            failure.message() +
                                            "); the request may have been carried out");
}

// By the rules of sdk/API.md, as client.c.
inline asio::awaitable<std::unique_ptr<asio_parser>> converse(std::shared_ptr<asio_state> state,
                                                              asio_request request) {
  const auto start = asio_clock::now();
  const auto deadline =
      start + (state->given.timeout.count() ? state->given.timeout : options().timeout);
  const auto until =
      std::min<asio_clock::time_point>(start + state->given.connect_patience, deadline);
  co_await wait_for_turn(state, deadline);
  const asio_turn turn(*state);
  std::unique_ptr<asio_connection> connection = take_idle(*state);
  for (;;) {
    const bool kept = connection != nullptr;
    if (!kept) connection = co_await connect_patiently(state, until, deadline);
    auto parser = std::make_unique<asio_parser>();
    parser->body_limit(1024 * 1024);
    parser->header_limit(16 * 1024);
    bool keep = false;
    const asio_outcome outcome = co_await exchange(*connection, request, *parser, deadline, keep);
    if (outcome == asio_outcome::answered) {
      if (keep) state->idle.push_front(std::move(connection));
      co_return parser;
    }
    connection.reset();
    if (kept) continue;
    // A fresh connection that a daemon on its way out never served is no better than none.
    if (outcome != asio_outcome::unread || asio_clock::now() >= until)
      throw error(
          HOLDFAST_CONNECTION_LOST,
          outcome == asio_outcome::unread
              ? "the daemon closed the connection before it had read the request; try again"
              : "the connection broke before the reply; the request may have been carried out");
    co_await pause(*state, std::chrono::milliseconds(2));
  }
}

inline std::string field(const asio_parser& parser, std::string_view name) {
  return std::string(parser.get()[name]);
}

inline asio::awaitable<std::unique_ptr<asio_parser>> call(std::shared_ptr<asio_state> state,
                                                          std::string method, std::string target,
                                                          const char* body) {
  const http::verb verb = http::string_to_verb(method);
  const bool plain =
      std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c <= '~'; });
  if ((verb != http::verb::get && verb != http::verb::post && verb != http::verb::delete_) ||
      !target.starts_with('/') || !plain)
    throw error(HOLDFAST_INVALID_ARGUMENT,
                "a call needs GET, POST or DELETE, and a path of printable ASCII");
  asio_request request(verb, target, 11);
  request.set(http::field::host, "holdfast");
  if (body) {
    request.set(http::field::content_type, "application/json");
    request.body().assign(body);
    request.prepare_payload();
  }
  std::unique_ptr<asio_parser> parser = co_await converse(state, std::move(request));
  const int status = static_cast<int>(parser->get().result_int());
  if (status >= 300) {
    const std::string id = field(*parser, "X-Request-Id");
    const std::string retry_after = field(*parser, "Retry-After");
    const auto& text = parser->get().body();
    holdfast_error* failure = nullptr;
    holdfast_decode_problem(status, text.data(), text.size(), id.c_str(), detail::text(retry_after),
                            &failure);
    raise(failure);
  }
  co_return parser;
}

}  // namespace detail

// One strand's client. Up to `max_connections` requests are under way at once; further calls wait for their turn.
class asio_client {
 public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  // Connects to nothing yet.
  explicit asio_client(const boost::asio::any_io_executor& executor, const options& given = {},
                       std::size_t max_connections = 4)
      : state_(std::make_shared<detail::asio_state>(detail::asio_state{
            executor, given, std::max<std::size_t>(max_connections, 1), 0, {}, {}})) {}

  awaitable<sigv4_reply> sign(sigv4_request request) {
    return send<holdfast_sigv4_reply>(state_, std::move(request), "/v1/sign/sigv4",
                                      holdfast_encode_sigv4, holdfast_decode_sigv4);
  }
  awaitable<jwt_reply> mint(jwt_request request) {
    return send<holdfast_jwt_reply>(state_, std::move(request), "/v1/token/jwt",
                                    holdfast_encode_jwt, holdfast_decode_jwt);
  }
  awaitable<digest_reply> sign(digest_request request) {
    return send<holdfast_digest_reply>(state_, std::move(request), "/v1/sign/digest",
                                       holdfast_encode_digest, holdfast_decode_digest);
  }

  // The replies' bodies are the JSON of sdk/API.md.
  awaitable<reply> version() { return call("GET", "/v1/version"); }
  awaitable<reply> health() { return call("GET", "/v1/health"); }
  awaitable<reply> whoami() { return call("GET", "/v1/whoami"); }
  awaitable<reply> keys(unsigned limit = 100, std::string after = {}) {
    return call("GET", detail::keys_target(limit, after));
  }
  awaitable<reply> key(std::string name) { return call("GET", "/v1/keys/" + name); }
  awaitable<reply> jwks(std::string key = {}) { return call("GET", detail::jwks_target(key)); }

  // `json_body`: empty means none.
  awaitable<reply> call(std::string method, std::string target, std::string json_body = {}) {
    return call(state_, std::move(method), std::move(target), std::move(json_body));
  }

 private:
  using state_pointer = std::shared_ptr<detail::asio_state>;

  static awaitable<reply> call(state_pointer state, std::string method, std::string target,
                               std::string json_body) {
    std::unique_ptr<detail::asio_parser> parser =
        co_await detail::call(state, method, target, detail::text(json_body));
    const auto& body = parser->get().body();
    co_return reply{static_cast<int>(parser->get().result_int()),
                    std::string(body.data(), body.size()), detail::field(*parser, "X-Request-Id")};
  }

  template <class Reply, class Request, class Encode, class Decode>
  static auto send(state_pointer state, Request request, std::string target, Encode encode,
                   Decode decode) -> awaitable<decltype(detail::take(std::declval<Reply>()))> {
    const detail::owned<char> body = detail::with(request, [&](const auto* c) {
      return detail::checked<char>(
          [&](auto output, auto failure) { return encode(c, output, failure); });
    });
    std::unique_ptr<detail::asio_parser> parser =
        co_await detail::call(state, "POST", target, body.get());
    const auto& text = parser->get().body();
    const std::string id = detail::field(*parser, "X-Request-Id");
    const detail::owned<Reply> decoded = detail::checked<Reply>([&](auto output, auto failure) {
      return decode(text.data(), text.size(), id.c_str(), output, failure);
    });
    co_return detail::take(*decoded);
  }

  state_pointer state_;
};

}  // namespace holdfast
