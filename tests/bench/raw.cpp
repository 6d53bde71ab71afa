#include "tests/bench/raw.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace holdfast::bench {
namespace {

bool send_all(int fd, const std::vector<char>& bytes) {
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

bool receive_all(int fd, std::vector<char>& bytes) {
  for (std::size_t had = 0; had < bytes.size();) {
    const ssize_t n = ::recv(fd, bytes.data() + had, bytes.size() - had, 0);
    if (n <= 0) return false;
    had += static_cast<std::size_t>(n);
  }
  return true;
}

// Answers on `fd`, after asking the next one in the row if there is one.
[[noreturn]] void serve(int fd, int next, std::size_t request, std::size_t reply) {
  std::vector<char> in(request), out(reply);
  while (receive_all(fd, in))
    if ((next >= 0 && (!send_all(next, in) || !receive_all(next, out))) || !send_all(fd, out))
      break;
  ::_exit(0);
}

// Starts `processes` in a row; the socket to the first of them.
int start_row(int processes, std::size_t request, std::size_t reply, int processor,
              std::vector<pid_t>& children) {
  int next = -1;
  for (int i = 0; i < processes; ++i) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
      throw std::runtime_error("socketpair");
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(pair[0]);
      pin(processor);
      serve(pair[1], next, request, reply);
    }
    children.push_back(child);
    ::close(pair[1]);
    if (next >= 0) ::close(next);
    next = pair[0];
  }
  return next;
}

}  // namespace

Samples ping_pong(std::size_t request, std::size_t reply, int processes, double seconds, int own,
                  int others) {
  std::vector<pid_t> children;
  const int fd = start_row(processes, request, reply, others, children);
  pin(own);
  const std::vector<char> out(request);
  std::vector<char> in(reply);
  Samples samples;
  const auto started = Clock::now();
  const auto end = started + std::chrono::duration<double>(seconds);
  for (auto now = started; now < end;) {
    if (!send_all(fd, out) || !receive_all(fd, in)) throw std::runtime_error("the row broke");
    const auto then = Clock::now();
    samples.add(then - now);
    now = then;
  }
  samples.seconds = std::chrono::duration<double>(Clock::now() - started).count();
  ::close(fd);
  for (const pid_t child : children) ::waitpid(child, nullptr, 0);
  return samples;
}

}  // namespace holdfast::bench
