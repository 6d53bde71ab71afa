#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>

#include "daemon/socket/http.h"

namespace holdfast::socket {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kMaxFields = 100;
constexpr std::size_t kMaxMethod = 32;

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorKind::invalid_request, std::move(detail));
}

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

// RFC 3986 §3.3 and §3.4: pchar and '/', in a query also '?'.
void check_target(std::string_view target) {
  if (target.empty() || target.front() != '/')
    refuse("the request target must be a path that starts with '/' (origin-form, RFC 9112 §3.2.1)");
  bool in_query = false;
  for (std::size_t i = 0; i < target.size(); ++i) {
    const char c = target[i];
    if (c == '%') {
      if (i + 2 >= target.size() || !is_hex(target[i + 1]) || !is_hex(target[i + 2]))
        refuse("the request target has a '%' that two hexadecimal digits do not follow");
    } else if (c == '?') {
      in_query = true;
    } else if (!is_alphanumeric(c) && !is_one_of(c, "/-._~!$&'()*+,;=:@")) {
      refuse(std::string("the request target has a character that must be percent-encoded in ") +
             (in_query ? "its query" : "its path"));
    }
  }
}

std::size_t content_length(std::string_view text) {
  const bool digits = !text.empty() && text.size() <= 10 &&
                      text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits || (text.size() > 1 && text.front() == '0'))
    refuse("Content-Length must be a plain decimal number");
  const std::size_t size = std::stoull(std::string(text));
  if (size > kMaxBody)
    throw Error(ErrorKind::too_large,
                "the body may have at most " + std::to_string(kMaxBody) + " bytes");
  return size;
}

void check_host(std::string_view host) {
  if (host.empty()) refuse("Host must not be empty");
  for (const char c : host)
    if (!is_alphanumeric(c) && !is_one_of(c, "-._~!$&'()*+;=%:[]"))
      refuse("Host must be a host name and an optional port");
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// True if one of the options (RFC 9110 §7.6.1) is "close". Others ask for what is not spoken here.
bool asks_to_close(std::string_view options) {
  bool close = false;
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = options.find(',');
    const auto option = trimmed(options.substr(0, comma));
    if (boost::beast::iequals(option, "close"))
      close = true;
    else if (!boost::beast::iequals(option, "keep-alive"))
      refuse("Connection may only be 'close' or 'keep-alive'");
    if (comma != std::string_view::npos) options.remove_prefix(comma + 1);
  }
  return close;
}

// RFC 9112 §3: one space each, nothing before the method or after the version. Beast takes
// HTTP/1.0.
void check_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == 0 || first == last ||
      line.substr(first + 1, last - first - 1).find(' ') != std::string_view::npos)
    refuse("the first line must be 'METHOD /path HTTP/1.1'");
  if (line.substr(last + 1) != "HTTP/1.1") refuse("only HTTP/1.1 is spoken here");
  if (first > kMaxMethod) refuse("the method is too long");
}

// RFC 9112 §5.2: a folded line would be invisible once it is parsed.
void check_lines(std::string_view block) {
  auto end = block.find("\r\n");
  check_request_line(block.substr(0, end));
  std::size_t fields = 0;
  for (auto start = end + 2; (end = block.find("\r\n", start)) != start; start = end + 2) {
    if (block[start] == ' ' || block[start] == '\t') refuse("a header line must not be folded");
    if (++fields > kMaxFields)
      throw Error(ErrorKind::too_large,
                  "at most " + std::to_string(kMaxFields) + " header fields are taken", "header",
                  kHeaderTooLarge);
  }
}

}  // namespace

std::size_t find_header_end(std::string_view received, std::size_t& checked) {
  for (; checked < received.size(); ++checked) {
    if (checked >= kMaxHeader)
      throw Error(ErrorKind::too_large,
                  "the header may have at most " + std::to_string(kMaxHeader) + " bytes", "header",
                  kHeaderTooLarge);
    const auto c = static_cast<unsigned char>(received[checked]);
    const bool after_cr = checked > 0 && received[checked - 1] == '\r';
    if (after_cr != (c == '\n'))
      refuse("header lines must end with CR LF, and neither may stand alone");
    if (c == '\r' && checked == 0) refuse("a request must not begin with an empty line");
    if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c >= 0x7f)
      refuse("the header must be visible ASCII");
    if (c == '\n' && checked >= 3 && received[checked - 2] == '\n') return ++checked;
  }
  return 0;
}

Request parse_header(std::string_view block, std::size_t& body_size) {
  std::size_t checked = 0;
  if (block.empty() || find_header_end(block, checked) != block.size())
    refuse("the header must be one block that ends with an empty line");
  check_lines(block);

  http::request_parser<http::empty_body> parser;
  parser.header_limit(kMaxHeader + 1);
  parser.body_limit(boost::none);
  boost::system::error_code ec;
  parser.put(boost::asio::buffer(block), ec);
  if (ec && ec != http::error::need_more) refuse("the header is malformed: " + ec.message());
  if (!parser.is_header_done()) refuse("the header is malformed");

  const auto& fields = parser.get();
  Request request;
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  body_size = 0;
  for (const auto& field : fields) {
    switch (field.name()) {
      case http::field::host:
        if (++hosts > 1) refuse("Host must be given once");
        check_host(field.value());
        break;
      case http::field::content_length:
        if (++lengths > 1) refuse("Content-Length must be given once");
        body_size = content_length(field.value());
        break;
      case http::field::connection:
        if (asks_to_close(field.value())) request.keep_alive = false;
        break;
      case http::field::transfer_encoding:
        refuse("Transfer-Encoding is not taken: send the body with a Content-Length");
      case http::field::expect:
        refuse("Expect is not taken: send the body at once");
      case http::field::upgrade:
        refuse("Upgrade is not taken: only HTTP/1.1 is spoken here");
      case http::field::trailer:
        refuse("Trailer is not taken");
      default:
        break;
    }
  }
  if (hosts == 0) refuse("Host is missing");

  const std::string_view target = fields.target();
  check_target(target);
  const auto question = target.find('?');
  request.method = fields.method_string();
  request.path = target.substr(0, question);
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  return request;
}

}  // namespace holdfast::socket
