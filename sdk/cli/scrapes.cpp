#include "sdk/cli/scrapes.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <charconv>

#include "sdk/cli/failure.h"
#include "sdk/cli/output.h"

namespace holdfast::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::size_t kMostConnections = 16;
constexpr std::uint32_t kMostHeaderBytes = 8192;
constexpr std::chrono::seconds kPatience{10};  // for the whole request, and again for the reply

using Response = http::response<http::string_body>;

// RFC 9110 §7.2: uri-host [ ":" port ].
std::string_view host_of(std::string_view field) {
  if (field.starts_with('[')) {
    const std::size_t end = field.find(']');
    return end == std::string_view::npos ? std::string_view() : field.substr(1, end - 1);
  }
  return field.substr(0, field.find(':'));
}

bool is_one_of_ours(std::string_view host, const std::vector<std::string>& names) {
  boost::system::error_code not_an_address;
  asio::ip::make_address(std::string(host), not_an_address);
  const auto same = [host](std::string_view name) { return beast::iequals(name, host); };
  return !not_an_address || same("localhost") || std::ranges::any_of(names, same);
}

class Scrapes {
 public:
  Scrapes(const tcp::endpoint& address, const std::vector<std::string>& names,
          const std::function<std::string()>& read)
      : acceptor_(loop_, address), names_(names), read_(read) {}

  tcp::endpoint address() const { return acceptor_.local_endpoint(); }

  void run() {
    asio::co_spawn(loop_, accept_all(), asio::detached);
    loop_.run();
  }

 private:
  asio::awaitable<void> accept_all() {
    for (;;) {
      boost::system::error_code error;
      tcp::socket socket =
          co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
      if (error || open_ >= kMostConnections) continue;
      ++open_;
      asio::co_spawn(loop_, serve(beast::tcp_stream(std::move(socket))),
                     [this](const std::exception_ptr&) { --open_; });
    }
  }

  asio::awaitable<void> serve(beast::tcp_stream stream) {
    beast::flat_buffer buffer;
    http::request_parser<http::empty_body> parser;
    parser.header_limit(kMostHeaderBytes);
    stream.expires_after(kPatience);
    co_await http::async_read_header(stream, buffer, parser, asio::use_awaitable);
    Response response = answer(parser.get());
    response.keep_alive(false);
    response.prepare_payload();
    stream.expires_after(kPatience);
    co_await http::async_write(stream, response, asio::use_awaitable);
    stream.socket().shutdown(tcp::socket::shutdown_send);
  }

  Response answer(const http::request<http::empty_body>& request) const {
    const auto refuse = [](http::status status, std::string why) {
      Response response(status, 11, std::move(why) + "\n");
      response.set(http::field::content_type, "text/plain; charset=utf-8");
      return response;
    };
    if (request.count(http::field::host) != 1 ||
        !is_one_of_ours(host_of(request[http::field::host]), names_))
      return refuse(http::status::misdirected_request,
                    "the Host header is neither an address nor a name of this server: --host");
    if (request.target() != "/metrics")
      return refuse(http::status::not_found, "there is /metrics and nothing else");
    if (request.method() != http::verb::get) {
      Response response = refuse(http::status::method_not_allowed, "/metrics takes GET");
      response.set(http::field::allow, "GET");
      return response;
    }
    try {
      Response response(http::status::ok, 11, read_());
      response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
      return response;
    } catch (const Failure& failure) {
      return refuse(http::status::service_unavailable, printable(failure.message()));
    }
  }

  asio::io_context loop_;
  tcp::acceptor acceptor_;
  const std::vector<std::string>& names_;
  const std::function<std::string()>& read_;
  std::size_t open_ = 0;
};

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace

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

void serve_scrapes(const tcp::endpoint& address, const std::vector<std::string>& names,
                   const std::function<std::string()>& read,
                   const std::function<void(const std::string& address)>& ready) {
  try {
    Scrapes scrapes(address, names, read);
    ready(text_of(scrapes.address()));
    scrapes.run();
  } catch (const boost::system::system_error& error) {
    throw Failure(Exit::failed,
                  "can't listen on " + text_of(address) + ": " + error.code().message(),
                  "choose an address of this machine and a free port");
  }
}

}  // namespace holdfast::cli
