#include "daemon/base/loop.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace holdfast {

using Steady = std::chrono::steady_clock;

// Outlives the Loop: a thread that is held up has it too.
struct Loop::Turns {
  // Since when the thread that runs the loop is in block(); who sets it to zero runs the loop.
  std::atomic<Stamp> blocked_since{0};
  std::atomic<std::uint64_t> blocks{0};
  std::atomic<bool> watcher_sleeps{false};

  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;  // the loop, or the handler that threw
  std::exception_ptr thrown;
  unsigned leaving = 0;    // threads that were held up and are on their way out of the loop
  bool abandoned = false;  // there is no loop any more
};

Loop::Loop(std::chrono::milliseconds patience)
    : patience_(patience), turns_(std::make_shared<Turns>()) {}

Loop::~Loop() {
  std::unique_lock lock(turns_->mutex);
  turns_->changed.wait(lock, [this] { return turns_->leaving == 0; });
  turns_->abandoned = true;
}

Loop::Stamp Loop::begin(Turns& turns) {
  const Stamp now = Steady::now().time_since_epoch().count();
  turns.blocks.store(turns.blocks.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  turns.blocked_since.store(now);
  if (turns.watcher_sleeps.load()) {
    const std::lock_guard lock(turns.mutex);
    turns.watcher_sleeps = false;
    turns.changed.notify_all();
  }
  return now;
}

bool Loop::end(Turns& turns, Stamp mine) {
  return turns.blocked_since.compare_exchange_strong(mine, 0);
}

bool Loop::prepare_to_leave(Turns& turns) {
  const std::lock_guard lock(turns.mutex);
  if (turns.abandoned) return false;
  ++turns.leaving;
  return true;
}

void Loop::leave(Turns& turns) {
  {
    const std::lock_guard lock(turns.mutex);
    if (!turns.abandoned) throw Left();
  }
  for (;;) ::pause();  // the process is ending, and the frames below are of a loop that is gone
}

void Loop::serve(std::shared_ptr<Turns> turns) {
  std::exception_ptr thrown;
  bool left = false;
  try {
    context_.run();
  } catch (const Left&) {
    left = true;
  } catch (...) {
    thrown = std::current_exception();
  }
  const std::lock_guard lock(turns->mutex);
  if (left) {
    --turns->leaving;
  } else {
    turns->ended = true;
    turns->thrown = thrown;
  }
  turns->changed.notify_all();
}

// Once a thread runs the loop: waits a while, and says whether another has to.
bool Loop::is_held_up() {
  std::unique_lock lock(turns_->mutex);
  const std::uint64_t blocks = turns_->blocks.load();
  if (turns_->changed.wait_for(lock, patience_, [this] { return turns_->ended; })) return false;
  Stamp since = turns_->blocked_since.load();
  if (since != 0) {
    const Steady::duration held_up = Steady::now().time_since_epoch() - Steady::duration(since);
    return held_up >= patience_ && turns_->blocked_since.compare_exchange_strong(since, 0);
  }
  turns_->watcher_sleeps = true;  // an idle process does not wake
  if (turns_->blocks.load() == blocks && turns_->blocked_since.load() == 0)
    turns_->changed.wait(lock, [this] { return turns_->ended || !turns_->watcher_sleeps; });
  turns_->watcher_sleeps = false;
  return false;
}

void Loop::run() {
  context_.restart();
  turns_->ended = false;
  // Signals belong to the thread that called; those of the loop inherit a mask that blocks them.
  const auto start = [this] {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread thread;
    // Where no thread can be had, the loop stands until one can: its handlers must not be left by an exception.
    while (!thread.joinable()) try {
        thread = std::thread([this, turns = turns_] { serve(turns); });
      } catch (const std::system_error&) {
        std::this_thread::sleep_for(patience_);
      }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), "loop");
    return thread;
  };
  std::thread thread = start();
  const auto ended = [this] {
    const std::lock_guard lock(turns_->mutex);
    return turns_->ended;
  };
  while (!ended()) {
    if (!is_held_up()) continue;
    thread.detach();
    thread = start();
  }
  thread.join();
  if (turns_->thrown) std::rethrow_exception(std::exchange(turns_->thrown, nullptr));
}

}  // namespace holdfast
