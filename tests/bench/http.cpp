#include "tests/bench/http.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <stdexcept>

namespace holdfast::bench {
namespace {

struct Connection {
  int fd = -1;
  std::size_t next = 0;  // of the requests
  int wanted = 200;      // status of the reply
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

void ask(Connection& connection, const std::vector<Request>& requests) {
  const auto& [message, status] = requests[connection.next++ % requests.size()];
  connection.reply.clear();
  connection.wanted = status;
  connection.asked = Clock::now();
  if (::send(connection.fd, message.data(), message.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(message.size()))
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
bool is_whole_http(const std::string& reply, int wanted) {
  const auto end = reply.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  static constexpr std::string_view kLength = "Content-Length: ";
  const auto at = reply.find(kLength);
  std::size_t length = 0;
  if (at != std::string::npos && at < end)
    std::from_chars(reply.data() + at + kLength.size(), reply.data() + end, length);
  if (reply.size() < end + 4 + length) return false;
  static constexpr std::string_view kStatus = "HTTP/1.1 ";
  int status = 0;
  std::from_chars(reply.data() + kStatus.size(), reply.data() + end, status);
  if (status != wanted)
    throw std::runtime_error("wanted " + std::to_string(wanted) + ", not this: " + reply);
  return true;
}

// Reads what is there; true when the reply is whole.
bool read_reply(Protocol protocol, Connection& connection) {
  char buffer[16384];
  const ssize_t n = ::recv(connection.fd, buffer, sizeof(buffer), 0);
  if (n <= 0) throw std::runtime_error("the daemon closed a connection");
  connection.reply.append(buffer, static_cast<std::size_t>(n));
  return protocol == Protocol::http ? is_whole_http(connection.reply, connection.wanted)
                                    : is_whole_agent(connection.reply);
}

// When the next request may leave. What could not leave in time is made up for, but no more than a
// tenth of a second of it.
class Pace {
 public:
  explicit Pace(double rate)
      : gap_(std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / rate))),
        next_(Clock::now()) {}

  bool take(Clock::time_point now) {
    if (now < next_) return false;
    next_ = std::max(next_, now - std::chrono::milliseconds(100)) + gap_;
    return true;
  }
  Clock::time_point next() const { return next_; }

 private:
  Clock::duration gap_;
  Clock::time_point next_;
};

constexpr auto kPatience = std::chrono::seconds(10);

// How many events there are, after at most that time.
int wait(int epoll, std::vector<epoll_event>& events, Clock::duration longest) {
  using namespace std::chrono;
  const auto whole = std::max(nanoseconds(0), duration_cast<nanoseconds>(longest)).count();
  const timespec timeout{whole / 1'000'000'000, whole % 1'000'000'000};
  return ::epoll_pwait2(epoll, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
}

std::vector<Connection> connect_all(const Load& load, int epoll) {
  std::vector<Connection> all(static_cast<std::size_t>(load.connections));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].fd = connect_to(load.socket);
    all[i].next = i;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event);
  }
  return all;
}

}  // namespace

Samples run(const Load& load) {
  pin(load.processor);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<Connection> all = connect_all(load, epoll);
  Samples samples;
  samples.of_each_connection.resize(all.size());
  const bool paced = load.rate > 0;
  Pace pace(paced ? load.rate : 1);
  std::deque<Connection*> waiting;  // for their turn
  const auto ask_again = [&](Connection& connection) {
    if (paced)
      waiting.push_back(&connection);
    else
      ask(connection, load.requests);
  };
  const auto start = Clock::now() + std::chrono::duration<double>(load.warm_up);
  const auto end = start + std::chrono::duration<double>(load.seconds);
  for (Connection& connection : all) ask_again(connection);
  std::vector<epoll_event> events(all.size());
  auto answered = Clock::now();
  for (auto now = answered; now < end;) {
    if (paced) now = Clock::now();
    while (!waiting.empty() && pace.take(now)) {
      ask(*waiting.front(), load.requests);
      waiting.pop_front();
    }
    const int ready = wait(epoll, events, waiting.empty() ? kPatience : pace.next() - now);
    if (ready < 0 || (ready == 0 && Clock::now() - answered >= kPatience))
      throw std::runtime_error("no reply within ten seconds");
    for (int i = 0; i < ready; ++i) {
      const std::size_t index = events[static_cast<std::size_t>(i)].data.u64;
      Connection& connection = all[index];
      if (!read_reply(load.protocol, connection)) continue;
      answered = now = Clock::now();
      // Also what was asked while it warmed up: otherwise each connection would lack one.
      if (now >= start && now < end) {
        samples.add(now - connection.asked);
        ++samples.of_each_connection[index];
      }
      ask_again(connection);
    }
  }
  samples.seconds = load.seconds;
  for (const Connection& connection : all) ::close(connection.fd);
  ::close(epoll);
  return samples;
}

}  // namespace holdfast::bench
