// A listening Unix socket in a folder of its own, and processes that connect to it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "daemon/base/posix.h"
#include "daemon/identity/observer.h"
#include "daemon/identity/peer.h"
#include "tests/unit/child.h"

namespace holdfast {

class Listener {
 public:
  Listener() {
    char folder[] = "/tmp/holdfast-identity-XXXXXX";
    if (::mkdtemp(folder) == nullptr) std::abort();
    folder_ = folder;
    ::chmod(folder, 0755);
    const sockaddr_un address = socket_address();
    fd_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(path().c_str(), 0666) != 0 || ::listen(fd_.get(), 128) != 0)
      std::abort();
  }
  ~Listener() {
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }

  std::string path() const { return folder_ + "/s"; }
  const std::string& folder() const { return folder_; }
  UniqueFd accept() const { return UniqueFd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  UniqueFd connect() const {
    const sockaddr_un address = socket_address();
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return UniqueFd();
    return fd;
  }

 private:
  sockaddr_un socket_address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    return address;
  }
  std::string folder_;
  UniqueFd fd_;
};

// Holds children back until it is released. A byte, not only the end of file: a process between the
// test and the child holds the writing end too.
struct Leash {
  Leash() {
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  }
  ~Leash() {
    release();
    ::close(ends[0]);
  }
  void wait() {  // in the child
    char c;
    while (::read(ends[0], &c, 1) < 0 && errno == EINTR) {
    }
  }
  void release() {
    if (ends[1] < 0) return;
    if (::write(ends[1], "x", 1) != 1) std::abort();
    ::close(std::exchange(ends[1], -1));
  }
  int ends[2] = {-1, -1};
};

// In a child: becomes `program`, a cat, until the leash is released.
inline int become_cat(const std::string& program, const Leash& leash) {
  ::dup2(leash.ends[0], STDIN_FILENO);
  ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
  ::execl(program.c_str(), "cat", static_cast<char*>(nullptr));
  return 127;
}

// Asks this process instead of holdfast-caller.
class OwnEyes final : public identity::Processes {
 public:
  void attach(UniqueFd) override {}
  boost::asio::awaitable<std::optional<identity::Process>> of(int pidfd, bool measure) override {
    identity::Process process = observer_.process_of(pidfd, measure);
    if (observer_.busy()) observer_.work();
    co_return process;
  }
  std::string gap() const override { return {}; }

 private:
  identity::Observer observer_;
};

inline void complete(identity::Peer& peer) {
  boost::asio::io_context loop;
  OwnEyes eyes;
  identity::Groups groups;
  auto done = boost::asio::co_spawn(loop, peer.complete(eyes, groups), boost::asio::use_future);
  loop.run();
  done.get();
}

#define NEEDS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root"

}  // namespace holdfast
