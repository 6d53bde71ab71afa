// Whose turn it is: where several callers have something to read, none has more than a few reads before
// the others had theirs, however many connections it has. Alone it is never held back.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>

#include "daemon/base/clock.h"

namespace holdfast::socket {

// What one caller had of the current round. Lives longer than its connections wait.
struct Turn {
  std::uint64_t round = 0;
  unsigned taken = 0;
};

// On the event loop's thread alone.
class Turns {
 public:
  explicit Turns(boost::asio::io_context& loop) : loop_(loop) {}

  // Takes one, if there is no need to wait for it.
  bool take(Turn& turn);
  // Takes one in the next round that has room for this caller.
  boost::asio::awaitable<void> wait(Turn& turn);

 private:
  struct Waiting {
    Turn& turn;
    boost::asio::steady_timer granted;
    bool go = false;
  };
  void begin_round(SteadyTime now);
  void count(Turn& turn);
  void advance();
  void grant();

  boost::asio::io_context& loop_;
  std::uint64_t round_ = 1;
  SteadyTime began_{};
  // Who had turns in this round and the last: nobody, one, or several.
  const Turn* now_ = nullptr;
  const Turn* before_ = nullptr;
  Turn several_;
  bool advancing_ = false;
  std::deque<Waiting*> waiting_;
};

}  // namespace holdfast::socket
