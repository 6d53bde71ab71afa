// An event loop that the disk can't hold up for long.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace holdfast {

// One thread at a time runs the loop, so that what it serves needs no locks. Work that waits for the disk now
// and then is done on that thread too: a hop to another one and back costs more than the work. Where it does
// wait, another thread runs the loop from then on, and the one that was held up leaves it.
class Loop {
 public:
  static constexpr std::chrono::milliseconds kPatience{100};

  // `patience`: how long block() may hold up the loop, and in the worst case once more.
  explicit Loop(std::chrono::milliseconds patience = kPatience);
  // A thread that is still held up then stays so to the end of the process and touches nothing of ours.
  ~Loop();

  boost::asio::io_context& context() { return context_; }

  // Runs the loop, on threads of its own, until it is stopped or out of work; again, if called again.
  // Rethrows what a handler threw.
  void run();

  // For a handler on the loop's thread, as the last thing it does: `work`, then `after`. If meanwhile another
  // thread runs the loop, `after` is posted there and the handler left by an exception; so `work` may touch
  // nothing of the loop's and throw nothing, and `after` has to bear that its owner is gone. `work` is destroyed
  // before `after` runs here, and once `after` is queued there: what it gives back then can't overtake it.
  template <class Work, class After>
  void block(Work work, After after) {
    const std::shared_ptr<Turns> turns = turns_;
    std::optional<Work> held(std::move(work));
    const auto mine = begin(*turns);
    (*held)();
    const bool still_runs = end(*turns, mine);
    if (!still_runs) {
      if (prepare_to_leave(*turns)) boost::asio::post(context_, std::move(after));
      held.reset();
      leave(*turns);
    }
    held.reset();
    after();
  }

 private:
  struct Left {};
  struct Turns;
  using Stamp = std::chrono::steady_clock::rep;

  static Stamp begin(Turns& turns);
  static bool end(Turns& turns, Stamp mine);
  static bool prepare_to_leave(Turns& turns);  // false if there is no loop any more
  [[noreturn]] static void leave(Turns& turns);
  void serve(std::shared_ptr<Turns> turns);
  bool is_held_up();

  const std::chrono::milliseconds patience_;
  boost::asio::io_context context_;
  const std::shared_ptr<Turns> turns_;
};

}  // namespace holdfast
