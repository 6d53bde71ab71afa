#include "sdk/cli/secret_input.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "daemon/base/posix.h"
#include "sdk/cli/failure.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kMaxInput = 1024;
constexpr std::size_t kMaxSecret = 124;
constexpr std::uint8_t kCtrlC = 3;

// No echo, and no signals from keys, so that Ctrl-C can't leave the terminal silent.
class SilentTerminal {
 public:
  explicit SilentTerminal(int fd) : fd_(fd) {
    tcgetattr(fd_, &before_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    silent.c_cc[VEOL] = kCtrlC;  // so that it still ends the line
    tcsetattr(fd_, TCSAFLUSH, &silent);
  }
  ~SilentTerminal() {
    tcsetattr(fd_, TCSAFLUSH, &before_);
    [[maybe_unused]] const auto size = write(STDERR_FILENO, "\n", 1);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

 private:
  int fd_;
  termios before_{};
};

template <class Byte, class Ended>
std::size_t read_input(int fd, std::span<Byte> buffer, const std::string& name, Ended ended) {
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(fd, buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(Exit::failed, "can't read " + name + ": " + std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (ended(buffer[size - 1])) break;
  }
  return size;
}

bool never(std::uint8_t) {
  return false;
}

// One line, which the terminal hands over whole.
std::size_t read_silently(int fd, std::span<std::uint8_t> buffer, const std::string& prompt) {
  const SilentTerminal silent(fd);  // before anyone is asked to type
  [[maybe_unused]] const auto shown = write(STDERR_FILENO, prompt.data(), prompt.size());
  return read_input(fd, buffer, "the terminal", [](std::uint8_t last) {
    if (last == kCtrlC) throw Failure(Exit::failed, "stopped: nothing was imported");
    return last == '\n';
  });
}

ByteView first_line(ByteView text) {
  const auto end = std::find(text.begin(), text.end(), static_cast<std::uint8_t>('\n'));
  text = text.first(static_cast<std::size_t>(end - text.begin()));
  return !text.empty() && text.back() == '\r' ? text.first(text.size() - 1) : text;
}

}  // namespace

SecretText read_secret_file(const std::string& path, std::size_t limit, const std::string& advice) {
  const bool standard = path == "-";
  const std::string name = standard ? "standard input" : path;
  const UniqueFd opened(standard ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!standard && !opened)
    throw Failure(Exit::failed, "can't read " + path + ": " + std::strerror(errno), advice);
  SecretText text(limit + 1);
  const std::size_t size = read_input(standard ? STDIN_FILENO : opened.get(), std::span<char>(text),
                                      name, [](char) { return false; });
  if (size > limit)
    throw Failure(Exit::failed, name + " is larger than " + std::to_string(limit / 1024) + " KiB",
                  "is it the right file?");
  text.resize(size);
  return text;
}

Secret read_passphrase(const std::string& prompt, const std::string& file) {
  Secret buffer(kMaxInput);
  std::size_t size = 0;
  if (file.empty()) {
    const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (!terminal)
      throw Failure(Exit::usage, "the key is encrypted, and there is no terminal to ask on",
                    "give the passphrase in a file: --passphrase-file FILE");
    size = read_silently(terminal.get(), buffer.writable(), prompt);
  } else {
    const UniqueFd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened)
      throw Failure(Exit::failed, "can't read " + file + ": " + std::strerror(errno),
                    "it has the passphrase as its first line");
    size = read_input(opened.get(), buffer.writable(), file, never);
  }
  const ByteView line = first_line(buffer.view().first(size));
  if (line.empty() || line.size() == kMaxInput)
    throw Failure(Exit::failed,
                  line.empty() ? "the passphrase is empty" : "the passphrase is too long",
                  "it is one line of at most 1023 bytes");
  return Secret(line);
}

Secret read_secret(const std::string& prompt) {
  Secret buffer(kMaxInput);
  std::size_t size = 0;
  if (isatty(STDIN_FILENO))
    size = read_silently(STDIN_FILENO, buffer.writable(), prompt);
  else
    size = read_input(STDIN_FILENO, buffer.writable(), "standard input", never);
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
    if (c == '"' || c == '\\' || c == '\n') out.push_back('\\');
    out.push_back(c == '\n' ? 'n' : static_cast<char>(c));
  }
  add("\"}");
  return out;
}

}  // namespace holdfast::cli
