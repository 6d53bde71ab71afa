#include "sdk/cli/secret_input.h"

#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxInput = 1024;
constexpr std::size_t kMaxSecret = 124;
constexpr std::uint8_t kCtrlC = 3;

// No echo, and no signals from keys, so that Ctrl-C can't leave the terminal silent.
class SilentTerminal {
 public:
  SilentTerminal() {
    tcgetattr(STDIN_FILENO, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    silent.c_cc[VEOL] = kCtrlC;  // so that it still ends the line
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    [[maybe_unused]] const auto size = write(STDERR_FILENO, "\n", 1);
  }

 private:
  termios before_{};
};

std::size_t read_input(std::span<std::uint8_t> buffer, bool one_line) {
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(STDIN_FILENO, buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw Failure(Exit::failed,
                    std::string("can't read standard input: ") + std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (one_line && buffer[size - 1] == kCtrlC)
      throw Failure(Exit::failed, "stopped: nothing was imported");
    if (one_line && buffer[size - 1] == '\n') break;
  }
  return size;
}

}  // namespace

Secret read_secret(const std::string& prompt) {
  Secret buffer(kMaxInput);
  std::size_t size = 0;
  if (isatty(STDIN_FILENO)) {
    const SilentTerminal silent;  // before anyone is asked to type
    [[maybe_unused]] const auto shown = write(STDERR_FILENO, prompt.data(), prompt.size());
    size = read_input(buffer.writable(), true);
  } else {
    size = read_input(buffer.writable(), false);
  }
  const ByteView text = buffer.view();
  if (size > 0 && text[size - 1] == '\n') --size;
  if (size > 0 && text[size - 1] == '\r') --size;
  Secret secret(text.first(size));
  check_secret(secret);
  return secret;
}

void check_secret(const Secret& secret) {
  const auto printable = [](std::uint8_t c) { return c > 0x20 && c < 0x7F; };
  if (secret.empty())
    throw Failure(
        Exit::failed, "the secret is empty",
        "give it on standard input: holdfast key import-aws NAME --access-key-id ID < FILE");
  if (secret.size() > kMaxSecret ||
      !std::all_of(secret.view().begin(), secret.view().end(), printable))
    throw Failure(
        Exit::failed,
        "this is no secret access key: it has spaces, several lines or more than 124 characters",
        "give the secret access key alone, on one line");
}

SecretText with_secret_field(const std::string& rest, std::string_view name, const Secret& secret) {
  SecretText out;
  out.reserve(rest.size() + name.size() + 2 * secret.size() + 16);
  const auto add = [&](std::string_view text) { out.insert(out.end(), text.begin(), text.end()); };
  add(std::string_view(rest).substr(0, rest.size() - 1));
  if (rest.size() > 2) add(",");
  add("\"");
  add(name);
  add("\":\"");
  for (const std::uint8_t c : secret.view()) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(static_cast<char>(c));
  }
  add("\"}");
  return out;
}

}  // namespace holdfast::cli
