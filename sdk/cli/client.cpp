#include "sdk/cli/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <filesystem>

#include "sdk/cli/discovery.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMaxReply = 64 * 1024 * 1024;

// A non-blocking socket as Beast's synchronous stream, with one deadline over everything.
class Stream {
 public:
  Stream(int fd, Clock::time_point deadline) : fd_(fd), deadline_(deadline) {}

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& ec) {
    std::array<iovec, kPieces> pieces{};
    msghdr message = gather<asio::mutable_buffer>(buffers, pieces);
    return transfer(POLLIN, ec, [&] { return ::recvmsg(fd_, &message, 0); });
  }
  // One call for all of Beast's pieces, so that a request usually arrives in one piece.
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& ec) {
    std::array<iovec, kPieces> pieces{};
    msghdr message = gather<asio::const_buffer>(buffers, pieces);
    return transfer(POLLOUT, ec, [&] { return ::sendmsg(fd_, &message, MSG_NOSIGNAL); });
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    return raise(&Stream::read_some<Buffers>, buffers);
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    return raise(&Stream::write_some<Buffers>, buffers);
  }

 private:
  static constexpr std::size_t kPieces = 32;

  template <class Buffer, class Buffers>
  static msghdr gather(const Buffers& buffers, std::array<iovec, kPieces>& pieces) {
    std::size_t count = 0;
    for (auto it = asio::buffer_sequence_begin(buffers);
         it != asio::buffer_sequence_end(buffers) && count < kPieces; ++it)
      if (const Buffer buffer(*it); buffer.size() > 0)
        pieces[count++] = {const_cast<void*>(static_cast<const void*>(buffer.data())),
                           buffer.size()};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = count;
    return message;
  }

  template <class Buffers>
  std::size_t raise(std::size_t (Stream::*call)(const Buffers&, error_code&),
                    const Buffers& buffers) {
    error_code ec;
    const std::size_t size = (this->*call)(buffers, ec);
    if (ec) throw boost::system::system_error(ec);
    return size;
  }

  template <class Call>
  std::size_t transfer(short events, error_code& ec, Call call) {
    ec = {};
    for (;;) {
      const ssize_t size = call();
      if (size > 0) return static_cast<std::size_t>(size);
      if (size == 0) {
        if (events == POLLIN) ec = asio::error::eof;
        return 0;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        ec = error_code(errno, boost::system::system_category());
        return 0;
      }
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      pollfd wait{fd_, events, 0};
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) == 0) {
        ec = asio::error::timed_out;
        return 0;
      }
    }
  }

  int fd_;
  Clock::time_point deadline_;
};

}  // namespace

Client Client::application(const std::string& socket) {
  return Client(find_application_socket(socket), false);
}
Client Client::admin(const std::string& socket) {
  return Client(find_admin_socket(socket), true);
}

Client Client::reading(const std::string& socket, bool mine) {
  if (!mine && access(find_admin_socket(socket).c_str(), R_OK | W_OK) == 0) return admin(socket);
  return application(socket);
}

Client Client::metrics(const std::string& socket) {
  const std::filesystem::path admin = find_admin_socket(socket);
  return Client((admin.parent_path() / "metrics.sock").string(), true);
}

std::string Client::get_text(const std::string& target) {
  return exchange("GET", target, {});
}
Reply Client::get(const std::string& target) {
  return send("GET", target, {});
}
Reply Client::remove(const std::string& target) {
  return send("DELETE", target, {});
}
Reply Client::post(const std::string& target, const json::object& body) {
  const std::string text = json::serialize(body);
  return send("POST", target, text);
}
Reply Client::post_secret(const std::string& target, std::span<const char> body) {
  return send("POST", target, body);
}

std::string Client::exchange(std::string_view method, const std::string& target,
                             std::span<const char> body) {
  http::request<http::span_body<const char>> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, "holdfast");
  request.body() = boost::beast::span<const char>(body.data(), body.size());
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.prepare_payload();

  const auto deadline = Clock::now() + patience_;
  for (;;) {
    const bool kept = static_cast<bool>(connection_);
    if (!kept) connection_ = connect_socket(path_, trusted_owners(), admin_);
    Stream stream(connection_.get(), deadline);
    error_code ec;
    // The daemon may refuse early and close: its answer counts, not our failed write.
    http::write(stream, request, ec);
    if (ec == asio::error::timed_out)
      throw Failure(Exit::later, "the daemon did not take the request in time", "try again later");

    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxReply);
    http::read(stream, buffer, parser, ec);
    if (ec && kept && !parser.got_some() && ec != asio::error::timed_out) {
      connection_.reset();
      continue;
    }
    if (ec) {
      connection_.reset();
      if (ec == asio::error::timed_out)
        throw Failure(Exit::later, "the daemon did not answer in time",
                      "try again; if it stays so, see the daemon's log");
      throw Failure(Exit::later, "the connection to the daemon broke: " + ec.message(),
                    "try again; if it stays so, see the daemon's log");
    }
    auto response = parser.release();
    if (!response.keep_alive()) connection_.reset();
    if (response.result_int() >= 300)
      throw Failure::from_problem(response.result_int(), response.body(), response["X-Request-Id"],
                                  admin_, target);
    return std::move(response.body());
  }
}

Reply Client::send(std::string_view method, const std::string& target, std::span<const char> body) {
  Reply reply{exchange(method, target, body), {}};
  if (reply.body.empty()) return reply;
  error_code ec;
  reply.value = json::parse(reply.body, ec);
  if (ec || !reply.value.is_object())
    throw Failure(Exit::failed, "the daemon's reply is not a JSON object",
                  "compare versions with `holdfast version`");
  return reply;
}

}  // namespace holdfast::cli
