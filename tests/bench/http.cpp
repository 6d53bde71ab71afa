#include "tests/bench/http.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

namespace holdfast::bench {
namespace {

struct Connection {
  int fd = -1;
  std::size_t next = 0;  // of the requests
  std::string reply;
  Clock::time_point asked;
};

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) throw std::runtime_error("path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    throw std::runtime_error("can't connect to " + path + ": " + std::strerror(errno));
  return fd;
}

void ask(Connection& connection, const std::vector<std::string>& requests) {
  const std::string& request = requests[connection.next++ % requests.size()];
  connection.reply.clear();
  connection.asked = Clock::now();
  if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    throw std::runtime_error("the daemon closed a connection");
}

// draft-miller-ssh-agent §3: a length, then the message; 14 is SSH_AGENT_SIGN_RESPONSE.
bool is_whole_agent(const std::string& reply) {
  if (reply.size() < 5) return false;
  std::size_t length = 0;
  for (int i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(reply[i]);
  if (reply[4] != 14) throw std::runtime_error("the agent refused");
  return reply.size() >= 4 + length;
}

// Has the whole reply come? Our daemon always sends Content-Length, in this spelling.
bool is_whole_http(const std::string& reply) {
  const auto end = reply.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  static constexpr std::string_view kLength = "Content-Length: ";
  const auto at = reply.find(kLength);
  std::size_t length = 0;
  if (at != std::string::npos && at < end)
    std::from_chars(reply.data() + at + kLength.size(), reply.data() + end, length);
  if (!reply.starts_with("HTTP/1.1 200 ")) throw std::runtime_error("refused: " + reply);
  return reply.size() >= end + 4 + length;
}

// Reads what is there; true when the reply is whole.
bool read_reply(Protocol protocol, Connection& connection) {
  char buffer[16384];
  const ssize_t n = ::recv(connection.fd, buffer, sizeof(buffer), 0);
  if (n <= 0) throw std::runtime_error("the daemon closed a connection");
  connection.reply.append(buffer, static_cast<std::size_t>(n));
  return protocol == Protocol::http ? is_whole_http(connection.reply)
                                    : is_whole_agent(connection.reply);
}

}  // namespace

Samples load(Protocol protocol, const std::string& socket, const std::vector<std::string>& requests,
             int connections, double seconds, int processor) {
  pin(processor);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all(static_cast<std::size_t>(connections));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].fd = connect_to(socket);
    all[i].next = i;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  Samples samples;
  samples.of_each_connection.resize(all.size());
  const auto start = Clock::now() + std::chrono::seconds(1);
  const auto end = start + std::chrono::duration<double>(seconds);
  for (Connection& connection : all) ask(connection, requests);
  std::vector<epoll_event> events(all.size());
  for (auto now = Clock::now(); now < end;) {
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 10'000);
    if (ready <= 0) throw std::runtime_error("no reply within ten seconds");
    for (int i = 0; i < ready; ++i) {
      const std::size_t index = events[static_cast<std::size_t>(i)].data.u64;
      Connection& connection = all[index];
      if (!read_reply(protocol, connection)) continue;
      now = Clock::now();
      if (connection.asked >= start && now < end) {
        samples.add(now - connection.asked);
        ++samples.of_each_connection[index];
      }
      ask(connection, requests);
    }
  }
  samples.seconds = seconds;
  for (const Connection& connection : all) ::close(connection.fd);
  ::close(epoll);
  return samples;
}

}  // namespace holdfast::bench
