// Many connections of one caller beside one of another (threat row 19).
#include "daemon/socket/turns.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace holdfast::socket {
namespace {

namespace asio = boost::asio;

// Takes turns until all have been had; each is noted in the order they come.
asio::awaitable<void> work(Turns& turns, Turn& turn, int count, char name, std::string& order) {
  for (int i = 0; i < count; ++i) {
    if (!turns.take(turn)) co_await turns.wait(turn);
    order += name;
  }
}

TEST(Turns, OfACallerThatIsAloneNeverWait) {
  asio::io_context loop;
  Turns turns(loop);
  Turn turn;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(turns.take(turn)) << i;
}

TEST(Turns, AreSharedEvenlyHoweverManyConnectionsOneHas) {
  asio::io_context loop;
  Turns turns(loop);
  Turn flooder, victim;
  std::string order;
  // Both were there before, so that nobody is alone.
  turns.take(flooder);
  turns.take(victim);
  for (int i = 0; i < 500; ++i)
    asio::co_spawn(loop, work(turns, flooder, 4, 'f', order), asio::detached);
  asio::co_spawn(loop, work(turns, victim, 50, 'v', order), asio::detached);
  loop.run();
  EXPECT_EQ(order.size(), 2050u);
  const std::size_t end = order.rfind('v');
  EXPECT_LE(end, 120u) << "beside 50 of the victim's stand as many of the flooder's";
}

}  // namespace
}  // namespace holdfast::socket
