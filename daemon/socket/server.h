// One listening Unix socket: accepts, checks that each byte's sender is the connector, reads whole
// requests within their deadline, and asks a Session for the answer.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/base/posix.h"
#include "daemon/socket/accounts.h"
#include "daemon/socket/http.h"
#include "daemon/socket/limits.h"

namespace holdfast::socket {

// One connection's other side. Destroyed with the connection.
class Session {
 public:
  virtual ~Session() = default;
  // Answers one request; pipelined requests come one after the other. `request_id` is the header's
  // X-Request-Id, which the server adds. What it throws becomes a problem document.
  virtual boost::asio::awaitable<Response> handle(Request request, std::string request_id) = 0;
  // Before the first request: finds out who connected; then with whom that one is counted. What
  // prepare() throws becomes a problem document.
  virtual boost::asio::awaitable<void> prepare() { co_return; }
  virtual Standing standing() const { return {}; }
};

// On the event loop's thread alone.
class Server {
 public:
  // Makes the session of a new connection; `fd` stays the server's. What it throws is sent as the
  // only answer, and the connection is closed.
  using Accept = std::function<std::unique_ptr<Session>(int fd)>;

  // Takes over a bound socket; sets SO_PASSCRED and calls listen() itself (FACTS: credentials of
  // the listener are those of the last listen()). `loop` must outlive the server. Throws
  // Error{internal}.
  static std::unique_ptr<Server> make(boost::asio::io_context& loop, UniqueFd listener,
                                      Limits limits, Accept accept);
  // As stop(), without waiting: connections end as their requests are answered, or with the loop.
  virtual ~Server() = default;

  // No new connection; resumes when the requests under way are answered and every connection is
  // closed. A request of which only a part has arrived is answered with `overloaded`.
  virtual boost::asio::awaitable<void> stop() = 0;

  virtual std::size_t connections() const = 0;
};

}  // namespace holdfast::socket
