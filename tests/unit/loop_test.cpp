#include "daemon/base/loop.h"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using boost::asio::post;
using boost::asio::steady_timer;

class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;
};

TEST(Loop, GoesOnOnTheSameThreadAfterShortWork) {
  Loop loop;
  std::thread::id posted, worked, after;
  post(loop.context(), [&] {
    posted = std::this_thread::get_id();
    loop.block([&] { worked = std::this_thread::get_id(); },
               [&] { after = std::this_thread::get_id(); });
  });
  loop.run();
  EXPECT_NE(posted, std::this_thread::get_id());
  EXPECT_EQ(worked, posted);
  EXPECT_EQ(after, posted);
}

TEST(Loop, GoesOnElsewhereWhileWorkIsHeldUp) {
  Loop loop(5ms);
  Gate gate;
  std::thread::id worked, after;
  bool opened = false;
  steady_timer meanwhile(loop.context(), 1ms);
  meanwhile.async_wait([&](auto) {
    opened = true;
    gate.open();
  });
  post(loop.context(), [&] {
    loop.block(
        [&] {
          worked = std::this_thread::get_id();
          gate.wait();
        },
        [&] { after = std::this_thread::get_id(); });
  });
  loop.run();
  EXPECT_TRUE(opened);
  EXPECT_NE(worked, std::thread::id());
  EXPECT_NE(after, std::thread::id());
  EXPECT_NE(after, worked);
}

// What is not atomic here is touched by the loop's handlers alone: the sanitizer would see two at once.
TEST(Loop, HasOneThreadAtATime) {
  Loop loop(1ms);
  unsigned done = 0;
  std::function<void()> next = [&] {
    loop.block(
        [&] {
          if (done % 8 == 0) std::this_thread::sleep_for(4ms);
        },
        [&] {
          if (++done < 200) post(loop.context(), next);
        });
  };
  // Work reads `done` too, while nothing else is posted.
  post(loop.context(), next);
  loop.run();
  EXPECT_EQ(done, 200U);
}

TEST(Loop, NoticesAHeldUpThreadAfterAnIdleTime) {
  Loop loop(2ms);
  Gate gate;
  bool ended = false;
  steady_timer idle(loop.context(), 50ms), meanwhile(loop.context(), 60ms);
  idle.async_wait([&](auto) { loop.block([&] { gate.wait(); }, [&] { ended = true; }); });
  meanwhile.async_wait([&](auto) { gate.open(); });
  loop.run();
  EXPECT_TRUE(ended);
}

// What work holds back from others it gives back when it is destroyed; what they then report comes after.
TEST(Loop, QueuesWhatComesAfterBeforeWorkGivesBackWhatItHeld) {
  for (const bool held_up : {false, true}) {
    Loop loop(2ms);
    Gate gate;
    std::vector<std::string> order;
    const auto given_back = [&](int* what) {
      delete what;
      post(loop.context(), [&] { order.emplace_back("others"); });
    };
    steady_timer meanwhile(loop.context(), 30ms);
    meanwhile.async_wait([&](auto) { gate.open(); });
    post(loop.context(), [&] {
      loop.block(
          [&, what = std::unique_ptr<int, decltype(given_back)>(new int, given_back)] {
            if (held_up) gate.wait();
          },
          [&] { order.emplace_back("after"); });
    });
    loop.run();
    EXPECT_EQ(order, (std::vector<std::string>{"after", "others"})) << held_up;
  }
}

TEST(Loop, LeavesAThreadBehindThatIsHeldUpToTheEnd) {
  // Theirs longer than ours: the thread lives until the process ends.
  static Gate* const gate = new Gate;
  static Gate* const woken = new Gate;
  bool after = false;
  {
    Loop loop(2ms);
    steady_timer stop(loop.context(), 20ms);
    stop.async_wait([&](auto) { loop.context().stop(); });
    post(loop.context(), [&] {
      loop.block(
          [] {
            gate->wait();
            woken->open();
          },
          [&] { after = true; });
    });
    loop.run();
  }
  gate->open();
  woken->wait();
  EXPECT_FALSE(after);
}

TEST(Loop, RethrowsWhatAHandlerThrewAndRunsAgain) {
  Loop loop;
  post(loop.context(), [] { throw std::runtime_error("a defect"); });
  EXPECT_THROW(loop.run(), std::runtime_error);
  bool ran = false;
  post(loop.context(), [&] { ran = true; });
  loop.run();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace holdfast
