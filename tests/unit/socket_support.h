// A real Server on a Unix socket, its loop on a thread of its own, and a blocking client.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <future>
#include <thread>

#include "daemon/socket/server.h"
#include "tests/unit/child.h"

namespace holdfast::socket {

using namespace std::chrono_literals;

// Answers with what it was asked; /fail throws, /wait answers when the test lets it.
class EchoSession final : public Session {
 public:
  explicit EchoSession(boost::asio::steady_timer& gate) : gate_(gate) {}

  boost::asio::awaitable<Response> handle(Request request, std::string) override {
    if (request.path == "/fail") throw std::runtime_error("canary");
    if (request.path == "/denied") throw Error(ErrorKind::not_permitted, "no grant");
    if (request.method == "PUT") throw Error(ErrorKind::method_not_allowed, "not PUT");
    if (request.path == "/wait") {
      boost::system::error_code ignored;
      co_await gate_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    Response response;
    if (request.path == "/big") {
      response.body.assign(3 * 1024 * 1024, 'x');
      co_return response;
    }
    response.body = json::serialize(json::object{{"method", request.method},
                                                 {"path", request.path},
                                                 {"query", request.query},
                                                 {"size", request.body.size()}});
    co_return response;
  }

 private:
  boost::asio::steady_timer& gate_;
};

class TestServer {
 public:
  // Runs `f` on the loop's thread.
  template <class F>
  auto on_loop(F f) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto done = task.get_future();
    boost::asio::post(loop_, [&] { task(); });
    return done.get();
  }

  explicit TestServer(Limits limits = {}, Server::Accept accept = {}) : gate_(loop_) {
    char folder[] = "/tmp/holdfast-socket-XXXXXX";
    if (::mkdtemp(folder) == nullptr) std::abort();
    ::chmod(folder, 0755);
    folder_ = folder;
    gate_.expires_at(std::chrono::steady_clock::time_point::max());
    if (!accept) accept = [this](int) { return std::make_unique<EchoSession>(gate_); };
    UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = socket_address();
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(path().c_str(), 0666) != 0)
      std::abort();
    server_ = Server::make(loop_, std::move(listener), limits, std::move(accept));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~TestServer() {
    on_loop([this] { server_.reset(); });
    work_.reset();
    loop_.stop();
    thread_.join();
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }

  std::string path() const { return folder_ + "/s"; }
  UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = socket_address();
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      std::abort();
    return fd;
  }
  void open_gate() {
    on_loop([this] { gate_.cancel(); });
  }
  std::future<void> stop() {
    return boost::asio::co_spawn(loop_, server_->stop(), boost::asio::use_future);
  }
  std::size_t connections() {
    return on_loop([this] { return server_->connections(); });
  }
  void destroy() {
    on_loop([this] { server_.reset(); });
  }

 private:
  sockaddr_un socket_address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }

  boost::asio::io_context loop_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_ =
      boost::asio::make_work_guard(loop_);
  boost::asio::steady_timer gate_;
  std::string folder_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

// All of it, unless the server closes first.
inline bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

struct Reply {
  unsigned status = 0;  // 0: closed without one
  std::string header;
  std::string body;
  std::string field(std::string_view name) const {
    const auto at = header.find("\r\n" + std::string(name) + ": ");
    if (at == std::string::npos) return "";
    const auto start = at + name.size() + 4;
    return header.substr(start, header.find("\r\n", start) - start);
  }
  std::string code() const {
    boost::system::error_code ec;
    const json::value value = json::parse(body, ec);
    if (ec || !value.is_object() || !value.as_object().contains("code")) return "";
    return std::string(value.at("code").as_string());
  }
};

// Reads replies; what follows one is kept for the next.
class Reader {
 public:
  explicit Reader(int fd) : fd_(fd) {}

  Reply next(bool head = false) {
    std::size_t end;
    while ((end = text_.find("\r\n\r\n")) == std::string::npos)
      if (!more()) return {};
    Reply reply;
    reply.header = text_.substr(0, end + 2);
    reply.status = static_cast<unsigned>(std::stoul(reply.header.substr(9, 3)));
    const std::size_t size = head ? 0 : std::stoul(reply.field("Content-Length"));
    while (text_.size() < end + 4 + size)
      if (!more()) return {};
    reply.body = text_.substr(end + 4, size);
    text_.erase(0, end + 4 + size);
    return reply;
  }
  bool at_end() { return text_.empty() && !more(); }

 private:
  bool more() {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, 20'000) != 1) {
      ADD_FAILURE() << "neither a reply nor the end within 20 s";
      return false;
    }
    char part[16384];
    const ssize_t n = ::recv(fd_, part, sizeof part, 0);
    if (n <= 0) return false;
    text_.append(part, static_cast<std::size_t>(n));
    return true;
  }
  int fd_;
  std::string text_;
};

inline Reply ask(int fd, std::string_view request) {
  send_all(fd, request);
  return Reader(fd).next();
}

inline const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace holdfast::socket
