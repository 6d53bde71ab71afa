// A client on an event loop, and device processes for it: threads around the fake device, or real
// children that crash.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/base/error.h"
#include "daemon/device/client.h"
#include "daemon/device/control.h"
#include "daemon/device/server.h"

namespace holdfast::device {

using namespace std::chrono_literals;

inline std::pair<UniqueFd, UniqueFd> make_pair_of_sockets() {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    throw_errno(ErrorKind::internal, "socketpair");
  return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

// Serves in a thread of this process; ends when destroyed.
class ThreadServer {
 public:
  explicit ThreadServer(Factory open) : open_(std::move(open)) {
    auto [ours, theirs] = make_pair_of_sockets();
    control_ = std::move(ours);
    thread_ = std::thread([this, fd = std::move(theirs)] {
      try {
        serve(fd.get(), open_);
      } catch (const Error& error) {
        failure_ = error.detail();
      }
    });
  }
  ~ThreadServer() {
    control_.reset();
    if (thread_.joinable()) thread_.join();
  }
  UniqueFd link() {
    auto [core, device] = make_pair_of_sockets();
    send_control(control_.get(), {{"link", "fake"}}, {device.get()});
    return std::move(core);
  }
  int control() const { return control_.get(); }
  // What serve() threw; nothing where it goes on.
  std::optional<std::string> failure() {
    pollfd end{control_.get(), 0, 0};
    if (::poll(&end, 1, 20'000) != 1) return std::nullopt;
    thread_.join();
    return failure_;
  }

 private:
  Factory open_;
  std::string failure_;
  UniqueFd control_;
  std::thread thread_;
};

template <class T>
struct Outcome {
  std::optional<T> value;
  std::optional<Error> error;
  bool done() const { return value || error; }
};

class DeviceClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Client> make(Settings settings = {}) {
    return Client::make(loop_, "fake", settings, [this] { ++overdue_; });
  }

  // Runs the loop until it holds; false if it never does.
  template <class Condition>
  bool reach(Condition condition, std::chrono::milliseconds most = 20s) {
    const auto end = std::chrono::steady_clock::now() + most;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop_.restart();
      loop_.run_one_for(5ms);
    }
    return true;
  }
  bool reach(const Client& client, State state) {
    return reach([&] { return client.state() == state; });
  }

  template <class T>
  std::shared_ptr<Outcome<T>> begin(boost::asio::awaitable<T> work) {
    auto outcome = std::make_shared<Outcome<T>>();
    boost::asio::co_spawn(loop_, std::move(work), [outcome](std::exception_ptr failure, T value) {
      if (!failure) {
        outcome->value = std::move(value);
        return;
      }
      try {
        std::rethrow_exception(failure);
      } catch (const Error& error) {
        outcome->error = error;
      }
    });
    return outcome;
  }

  template <class T>
  Outcome<T> await(boost::asio::awaitable<T> work) {
    const auto outcome = begin(std::move(work));
    EXPECT_TRUE(reach([&] { return outcome->done(); }));
    return std::move(*outcome);
  }

  boost::asio::io_context loop_;
  int overdue_ = 0;
};

}  // namespace holdfast::device
