#include "sdk/cli/url.h"

#include <algorithm>
#include <cctype>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

void append_encoded(std::string& out, unsigned char byte) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
}

bool is_hex(std::string_view text, std::size_t at) {
  return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at]));
}

// RFC 3986 §3.3 and §3.4: pchar, "/", and in a query "?".
bool is_legal(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("-._~!$&'()*+,;=:@/?").find(c) != std::string_view::npos;
}

std::string encode_part(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F)
      throw Failure(Exit::usage, "the URL holds a control character", "write it as %XX");
    if (byte == '%' ? is_hex(text, i + 1) && is_hex(text, i + 2) : byte < 0x80 && is_legal(text[i]))
      out += text[i];
    else
      append_encoded(out, byte);
  }
  return out;
}

// Where path and query start: after scheme and authority, which are checked.
std::size_t authority_end(std::string_view url) {
  const std::size_t mark = url.find("://");
  std::string scheme(url.substr(0, mark == std::string_view::npos ? 0 : mark));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (scheme != "http" && scheme != "https")
    throw Failure(Exit::usage, "the URL has to start with https:// or http://");
  const std::size_t start = mark + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", start), url.size());
  const std::string_view host = url.substr(start, end - start);
  if (host.empty()) throw Failure(Exit::usage, "the URL names no host");
  if (host.find('@') != std::string_view::npos)
    throw Failure(Exit::usage, "the URL holds user information before '@'",
                  "leave it out: the key signs");
  const auto legal = [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view("-._:[]").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!std::all_of(host.begin(), host.end(), legal))
    throw Failure(Exit::usage, "the URL's host is not plain ASCII", "write it in its xn-- form");
  return end;
}

}  // namespace

std::string encode_url(std::string_view url) {
  const std::size_t end = authority_end(url);
  if (url.find('#', end) != std::string_view::npos)
    throw Failure(Exit::usage, "the URL has a fragment ('#'), which is never sent",
                  "write %23 if '#' belongs to a name, or leave it out");
  return std::string(url.substr(0, end)) + encode_part(url.substr(end));
}

std::string with_query(std::string_view url, std::string_view addition) {
  std::string out(url);
  if (addition.empty()) return out;
  const std::size_t mark = out.find('?');
  if (mark == std::string::npos) {
    if (out.find('/', out.find("://") + 3) == std::string::npos) out += '/';
    out += '?';
  } else if (mark + 1 != out.size() && out.back() != '&') {
    out += '&';
  }
  return out + encode_part(addition);
}

std::string with_file_name(std::string_view url, std::string_view name) {
  const std::size_t query = std::min(url.find('?'), url.size());
  std::string path(url.substr(0, query));
  if (path.find('/', path.find("://") + 3) == std::string::npos) path += '/';
  if (path.back() == '/') path += encode_component(name);
  return path + std::string(url.substr(query));
}

std::string encode_component(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) ||
        std::string_view("-._~").find(c) != std::string_view::npos)
      out += c;
    else
      append_encoded(out, static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace holdfast::cli
