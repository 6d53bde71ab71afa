// What the connections of one server share. Lives as long as the server and the last of them.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <array>

#include "daemon/base/clock.h"
#include "daemon/socket/request_id.h"
#include "daemon/socket/server.h"

namespace holdfast::socket {

// How long a refused client may take to read the reply and close.
inline constexpr std::chrono::milliseconds kLinger{1000};
// Connections whose callers are being found out. Others wait in the backlog, so that those who are not
// counted yet never take what the counted are promised.
inline constexpr std::size_t kPreparedAtOnce = 16;
// Connections over the cap that are still told so; those beyond are only closed.
inline constexpr std::size_t kRefusedAtOnce = 64;

// A connection as the sweep and stop() see it.
class Guest : public boost::intrusive::list_base_hook<
                  boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  virtual ~Guest() = default;
  virtual void expire(SteadyTime now) = 0;  // ends a wait that has passed its deadline
  virtual void interrupt() = 0;             // ends a wait for another request, because of stop()
};

struct State {
  State(boost::asio::io_context& loop, Limits limits, Server::Accept accept)
      : limits(limits),
        accounts(limits),
        turns(loop),
        accept(std::move(accept)),
        listener(loop),
        sweep_timer(loop),
        retry_timer(loop),
        prepared(loop),
        drained(loop) {
    prepared.expires_at(SteadyTime::max());
    drained.expires_at(SteadyTime::max());
  }

  Limits limits;
  Accounts accounts;
  Turns turns;
  Turn refused_turn;  // all the refused have one together
  Server::Accept accept;
  boost::asio::posix::stream_descriptor listener;
  boost::asio::steady_timer sweep_timer;  // one for all: a timer an operation costs 3–20 µs
  boost::asio::steady_timer retry_timer;  // of accept, where descriptors ran out
  boost::asio::steady_timer prepared;     // cancelled when accept may go on
  boost::asio::steady_timer drained;      // cancelled when the last connection is gone
  bool stopping = false;
  bool sweeping = false;

  boost::intrusive::list<Guest, boost::intrusive::constant_time_size<false>> guests;
  std::size_t preparing = 0;
  std::size_t refused = 0;

  // Every read lands here first, so that an idle connection holds no buffer. Never kept across a
  // suspension, and zeroed after use.
  std::array<char, kMaxHeader> scratch{};
  RequestIds request_ids;
};

}  // namespace holdfast::socket
