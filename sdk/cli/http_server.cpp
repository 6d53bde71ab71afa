#include "sdk/cli/http_server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <charconv>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::size_t kMostConnections = 256;
constexpr std::uint32_t kMostHeaderBytes = 8192;
constexpr std::chrono::seconds kPatience{10};  // for the whole request, and again for the reply

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

tcp::acceptor listen(asio::io_context& loop, const tcp::endpoint& address) try {
  return tcp::acceptor(loop, address);
} catch (const boost::system::system_error& error) {
  throw Failure(Exit::failed, "can't listen on " + text_of(address) + ": " + error.code().message(),
                "choose an address of this machine and a free port");
}

}  // namespace

HttpResponse http_reply(http::status status, std::string_view body, std::string_view type) {
  HttpResponse response(status, 11);
  response.body().assign(body.begin(), body.end());
  response.set(http::field::content_type, type);
  return response;
}

HttpResponse http_refusal(http::status status, std::string_view why) {
  return http_reply(status, std::string(why) + "\n", "text/plain; charset=utf-8");
}

std::string host_of(const HttpRequest& request) {
  if (request.count(http::field::host) != 1) return {};
  const std::string_view field = request[http::field::host];
  if (!field.starts_with('[')) return std::string(field.substr(0, field.find(':')));
  const std::size_t end = field.find(']');
  return end == std::string_view::npos ? std::string() : std::string(field.substr(1, end - 1));
}

HttpServer::HttpServer(asio::io_context& loop, const tcp::endpoint& address, Handler handler,
                       Admit admit)
    : acceptor_(listen(loop, address)), handler_(std::move(handler)), admit_(std::move(admit)) {
  asio::co_spawn(loop, accept_all(), asio::detached);
}

std::string HttpServer::address() const {
  return text_of(acceptor_.local_endpoint());
}

asio::awaitable<void> HttpServer::accept_all() {
  for (;;) {
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) co_return;
    if (error || open_ >= kMostConnections || !admits(socket)) continue;
    ++open_;
    asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket)),
                   [this](const std::exception_ptr&) { --open_; });
  }
}

bool HttpServer::admits(const tcp::socket& socket) const {
  boost::system::error_code gone;
  const tcp::endpoint from = socket.remote_endpoint(gone);
  return !gone && admit_(from, socket.local_endpoint(gone));
}

asio::awaitable<void> HttpServer::serve(tcp::socket socket) {
  const tcp::endpoint from = socket.remote_endpoint(), to = socket.local_endpoint();
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kMostHeaderBytes);
  stream.expires_after(kPatience);
  co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
  HttpResponse response = co_await handler_({parser.get(), from, to});
  response.keep_alive(false);
  response.prepare_payload();
  stream.expires_after(kPatience);
  co_await http::async_write(stream, response, asio::use_awaitable);
  stream.socket().shutdown(tcp::socket::shutdown_send);
}

tcp::endpoint listening_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::string address = colon == std::string::npos ? "127.0.0.1" : text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  boost::system::error_code error;
  const asio::ip::address ip = asio::ip::make_address(address, error);
  std::uint16_t number = 0;
  const auto [end, fault] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error || fault != std::errc() || end != port.data() + port.size())
    throw Failure(Exit::usage, "can't listen on " + text,
                  "give PORT, or ADDR:PORT with an IP address, such as [::1]:9464");
  return {ip, number};
}

}  // namespace holdfast::cli
