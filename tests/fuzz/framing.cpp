// The daemon's framing: the first byte says in which pieces the rest arrives. What comes of it may not depend
// on the pieces, and what is taken is what sdk/API.md allows.
#include <algorithm>
#include <random>
#include <vector>

#include "daemon/socket/http.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

struct Taken {
  std::string method, path, query, body;
  bool keep_alive;
  bool operator==(const Taken&) const = default;
};

struct Conversation {
  std::vector<Taken> requests;
  std::string refusal;  // empty: the client went away
  bool operator==(const Conversation&) const = default;
};

void judge(std::string_view block, const socket::Request& request, std::size_t body_size) {
  check(block.find("\r\n\r\n") == block.size() - 4, "the header ends at its first empty line");
  check(request.path.starts_with('/'), "the path starts with a slash");
  check(block.starts_with(request.method + " " + request.path), "method and path are as sent");
  check(request.path.find_first_of(" ?#\\\"<>") == std::string::npos, "the path is a path");
  check(body_size <= socket::kMaxBody && block.size() <= socket::kMaxHeader, "bounds hold");
  check(std::ranges::all_of(
            block,
            [](char c) { return c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c <= '~'); }),
        "the header is visible ASCII");
}

// As Connection does it: bytes are added as they arrive, until a request is whole.
template <class NextPiece>
Conversation talk(std::string_view stream, NextPiece next_piece) {
  Conversation result;
  std::string unread;
  try {
    for (;;) {
      std::size_t checked = 0, end = 0, body_size = 0;
      const auto read = [&] {
        const std::size_t piece = std::min<std::size_t>(next_piece(), stream.size());
        unread.append(stream.substr(0, piece));
        stream.remove_prefix(piece);
        return piece != 0;
      };
      while ((end = socket::find_header_end(unread, checked)) == 0)
        if (!read()) return result;
      const std::string block = unread.substr(0, end);
      socket::Request request = socket::parse_header(block, body_size);
      judge(block, request, body_size);
      while (unread.size() < end + body_size)
        if (!read()) return result;
      result.requests.push_back({request.method, request.path, request.query,
                                 unread.substr(end, body_size), request.keep_alive});
      unread.erase(0, end + body_size);
      if (!request.keep_alive) return result;
    }
  } catch (const Error& error) {
    check(error.kind() == ErrorKind::invalid_request || error.kind() == ErrorKind::too_large,
          "a refusal is one of the two");
    result.refusal = error.what();
    return result;
  }
}

}  // namespace
}  // namespace holdfast::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdfast;
  fuzz::Input input(data, size);
  std::minstd_rand pieces(input.byte() + 1U);
  const std::string_view stream = input.rest_text();
  const auto whole = fuzz::talk(stream, [&] { return stream.size(); });
  const auto split = fuzz::talk(stream, [&] { return 1 + pieces() % 97; });
  const auto bytes = fuzz::talk(stream, [] { return std::size_t{1}; });
  fuzz::check(whole == split && whole == bytes, "the pieces change nothing");
  return 0;
}
