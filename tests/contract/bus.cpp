#include "tests/contract/bus.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "daemon/base/error.h"

namespace holdfast::test {
namespace {

constexpr std::size_t kHeader = 10;  // TPM 2.0 Part 1 §18.1: tag, size, command or response code

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

UniqueFd listen_at(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(fd.get(), 8) != 0)
    throw_errno(ErrorKind::internal, "listen");
  return fd;
}

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_of(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    fd.reset();
  return fd;
}

std::uint32_t number_at(const Bytes& message, std::size_t at) {
  return static_cast<std::uint32_t>(message[at]) << 24 | message[at + 1] << 16 |
         message[at + 2] << 8 | message[at + 3];
}

bool read_all(int fd, std::uint8_t* out, std::size_t size) {
  return ::recv(fd, out, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

bool read_message(int fd, Bytes& message) {
  message.resize(kHeader);
  if (!read_all(fd, message.data(), kHeader)) return false;
  const std::uint32_t size = number_at(message, 2);
  if (size < kHeader || size > 65536) return false;
  message.resize(size);
  return size == kHeader || read_all(fd, message.data() + kHeader, size - kHeader);
}

bool send_all(int fd, ByteView message) {
  return ::send(fd, message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

bool copy_some(int from, int to) {
  std::array<std::uint8_t, 4096> some;
  const ssize_t size = ::recv(from, some.data(), some.size(), 0);
  return size > 0 && send_all(to, {some.data(), static_cast<std::size_t>(size)});
}

}  // namespace

Bus::Bus(const Swtpm& tpm)
    : upstream_(tpm.socket()), data_(listen_at(socket())), control_(listen_at(socket() + ".ctrl")) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno(ErrorKind::internal, "pipe2");
  stop_read_ = UniqueFd(ends[0]);
  stop_write_ = UniqueFd(ends[1]);
  thread_ = std::thread([this] { run(); });
}

Bus::~Bus() {
  stop_write_.reset();
  thread_.join();
}

void Bus::on_command(Change change) {
  const std::lock_guard lock(mutex_);
  on_command_ = std::move(change);
}
void Bus::on_answer(Change change) {
  const std::lock_guard lock(mutex_);
  on_answer_ = std::move(change);
}
Bytes Bus::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}
int Bus::count(std::uint32_t command_code) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::count(codes_.begin(), codes_.end(), command_code));
}

void Bus::run() {
  for (;;) {
    std::vector<pollfd> ready{
        {stop_read_.get(), POLLIN, 0}, {data_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      ready.push_back({pair.client.get(), POLLIN, 0});
      ready.push_back({pair.commands ? -1 : pair.tpm.get(), POLLIN, 0});
    }
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    if (ready[0].revents != 0) return;
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      const bool from_client = ready[3 + 2 * i].revents != 0;
      const bool from_tpm = ready[4 + 2 * i].revents != 0;
      Pair& pair = pairs_[i];
      const bool alive =
          (!from_client ||
           (pair.commands ? pass(pair) : copy_some(pair.client.get(), pair.tpm.get()))) &&
          (!from_tpm || copy_some(pair.tpm.get(), pair.client.get()));
      if (!alive) pairs_.erase(pairs_.begin() + static_cast<long>(i));
    }
    if (ready[1].revents != 0) accept(data_, true);
    if (ready[2].revents != 0) accept(control_, false);
  }
}

void Bus::accept(const UniqueFd& listener, bool commands) {
  UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  UniqueFd tpm = connect_to(commands ? upstream_ : upstream_ + ".ctrl");
  if (client && tpm) pairs_.push_back({std::move(client), std::move(tpm), commands});
}

// One command and its answer.
bool Bus::pass(Pair& pair) {
  Bytes command, answer;
  if (!read_message(pair.client.get(), command)) return false;
  const std::uint32_t code = number_at(command, 6);
  Change change_command, change_answer;
  {
    const std::lock_guard lock(mutex_);
    change_command = on_command_;
    change_answer = on_answer_;
  }
  if (change_command) change_command(code, command);
  if (!send_all(pair.tpm.get(), command) || !read_message(pair.tpm.get(), answer)) return false;
  if (change_answer) change_answer(code, answer);
  record(code, command, answer);
  return send_all(pair.client.get(), answer);
}

void Bus::record(std::uint32_t code, const Bytes& command, const Bytes& answer) {
  const std::lock_guard lock(mutex_);
  codes_.push_back(code);
  seen_.insert(seen_.end(), command.begin(), command.end());
  seen_.insert(seen_.end(), answer.begin(), answer.end());
}

}  // namespace holdfast::test
