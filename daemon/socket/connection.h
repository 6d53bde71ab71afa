// One connection: reads requests, has its Session answer them, writes replies. One coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <optional>

#include "daemon/socket/sender.h"
#include "daemon/socket/state.h"

namespace holdfast::socket {

class Connection final : public Guest {
 public:
  // Counts itself in `state` until it is destroyed; `admitted` is false over the cap.
  Connection(std::shared_ptr<State> state, boost::asio::io_context& loop, UniqueFd fd,
             Sender sender, bool admitted);
  ~Connection() override;

  // The connection's whole life; the argument keeps it.
  static boost::asio::awaitable<void> run(std::shared_ptr<Connection> connection);

  void expire(SteadyTime now) override;
  void interrupt() override;

 private:
  // nullopt where the connection is to be closed without a word. Throws Error that is the last
  // answer.
  boost::asio::awaitable<std::optional<Request>> receive();
  // Adds what has arrived to unread_; false at the end.
  boost::asio::awaitable<bool> read();
  boost::asio::awaitable<Response> answer(Request request, std::string request_id);
  // The reply as it is sent; or a refusal, where its account has too much of others waiting to be read.
  std::string held(Response response, const std::string& request_id, bool keep_alive, bool head);
  boost::asio::awaitable<bool> send(std::string reply);
  // Answers and closes so that the answer can be read: what the client still sends is thrown away.
  boost::asio::awaitable<void> refuse(Error error);
  // Lets others go first, where this connection's caller had its turns.
  boost::asio::awaitable<void> take_turn();
  // Waits until the socket is ready; false if the deadline passed or the wait was interrupted.
  boost::asio::awaitable<bool> wait(boost::asio::posix::descriptor_base::wait_type what);

  // Finds out who connected and counts the connection with those it belongs to. False where there is no
  // room among them: it is then one of the refused.
  boost::asio::awaitable<bool> join();

  std::string_view unread() const { return {unread_.data(), unread_.size()}; }
  void set_deadline(std::chrono::milliseconds from_now);
  // Charges this connection with so many bytes. Throws Error{overloaded} over the server's budget.
  void hold(std::size_t bytes);

  std::shared_ptr<State> state_;
  boost::asio::posix::stream_descriptor socket_;
  Sender sender_;
  std::optional<Place> place_;  // none: refused
  bool expired_ = false;
  bool waiting_ = false;
  SteadyTime deadline_ = SteadyTime::max();
  Buffer unread_;
  std::unique_ptr<Session> session_;
};

}  // namespace holdfast::socket
