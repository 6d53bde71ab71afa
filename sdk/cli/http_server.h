// A small HTTP/1.1 server for programs of this machine: heads without bodies in, one reply a connection out.
//
// Everything on the thread that runs `loop`. Bounded: 256 connections, 8 KiB of header, ten seconds for a request
// and again for its reply. Whoever asks is judged by the handler; host_of() helps against web pages that reach this by
// a name of their own (DNS rebinding).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/vector_body.hpp>

#include "daemon/base/secret.h"

namespace holdfast::cli {

using HttpRequest = boost::beast::http::request<boost::beast::http::empty_body>;
// Zeroed when released, for it may hold a secret.
using HttpResponse =
    boost::beast::http::response<boost::beast::http::vector_body<char, ZeroingAllocator<char>>>;

HttpResponse http_reply(boost::beast::http::status status, std::string_view body,
                        std::string_view type);
// One line of text that says why.
HttpResponse http_refusal(boost::beast::http::status status, std::string_view why);

// The one Host header's host, without port and brackets (RFC 9110 §7.2); empty where there is none or several.
std::string host_of(const HttpRequest& request);

struct Asked {
  const HttpRequest& request;  // for as long as the handler runs
  boost::asio::ip::tcp::endpoint from, to;
};

class HttpServer {
 public:
  // Where it throws, the connection is closed without a reply.
  using Handler = std::function<boost::asio::awaitable<HttpResponse>(const Asked& asked)>;

  // Which connections are taken at all.
  using Admit = std::function<bool(const boost::asio::ip::tcp::endpoint& from,
                                   const boost::asio::ip::tcp::endpoint& to)>;

  // Listens, and serves as soon as `loop` runs, which has to end before this does. Throws Failure.
  HttpServer(boost::asio::io_context& loop, const boost::asio::ip::tcp::endpoint& address,
             Handler handler, Admit admit);

  // "127.0.0.1:9464", with the port that was chosen.
  std::string address() const;

 private:
  boost::asio::awaitable<void> accept_all();
  bool admits(const boost::asio::ip::tcp::socket& socket) const;
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);

  boost::asio::ip::tcp::acceptor acceptor_;
  Handler handler_;
  Admit admit_;
  std::size_t open_ = 0;
};

// "PORT" of the loopback interface, "ADDR:PORT", "[ADDR]:PORT". Throws Failure{usage}.
boost::asio::ip::tcp::endpoint listening_address(const std::string& text);

}  // namespace holdfast::cli
