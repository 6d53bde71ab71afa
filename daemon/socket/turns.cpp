#include "daemon/socket/turns.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace holdfast::socket {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);

constexpr unsigned kTurns = 2;  // of one caller in one round
constexpr auto kRound = 1ms;    // at most, while nobody waits

}  // namespace

void Turns::begin_round(SteadyTime now) {
  ++round_;
  began_ = now;
  before_ = now_;
  now_ = nullptr;
}

void Turns::count(Turn& turn) {
  ++turn.taken;
  if (now_ == nullptr)
    now_ = &turn;
  else if (now_ != &turn)
    now_ = &several_;
}

bool Turns::take(Turn& turn) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (waiting_.empty() && now - began_ >= kRound) begin_round(now);
  if (turn.round != round_) turn = {round_, 0};
  const bool alone = (now_ == nullptr || now_ == &turn) && (before_ == nullptr || before_ == &turn);
  if (!alone && turn.taken >= kTurns) return false;
  count(turn);
  return true;
}

asio::awaitable<void> Turns::wait(Turn& turn) {
  Waiting own{turn, asio::steady_timer(loop_, SteadyTime::max())};
  waiting_.push_back(&own);
  advance();
  while (!own.go) co_await own.granted.async_wait(kNoThrow);
}

// After what the loop has ready now, and what has become ready by then, so that others have their turn.
void Turns::advance() {
  if (std::exchange(advancing_, true)) return;
  asio::post(loop_, [this] {
    advancing_ = false;
    begin_round(std::chrono::steady_clock::now());
    grant();
    if (!waiting_.empty()) advance();
  });
}

void Turns::grant() {
  std::deque<Waiting*> left;
  for (Waiting* waiting : waiting_) {
    Turn& turn = waiting->turn;
    if (turn.round != round_) turn = {round_, 0};
    if (turn.taken >= kTurns) {
      left.push_back(waiting);
      continue;
    }
    count(turn);
    waiting->go = true;
    waiting->granted.cancel();
  }
  waiting_ = std::move(left);
}

}  // namespace holdfast::socket
