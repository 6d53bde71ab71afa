#include "tests/contract/linked_backend.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <exception>
#include <optional>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"
#include "daemon/device/client.h"
#include "daemon/device/control.h"

namespace holdfast::test {
namespace {

namespace asio = boost::asio;
using device::Client;

constexpr std::uint32_t kCaller = 1;
constexpr const char* kName = "device";
constexpr std::chrono::seconds kOpening{10};

std::array<UniqueFd, 2> socket_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    throw_errno(ErrorKind::internal, "socketpair");
  return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

// Killed and reaped when it goes.
class DeviceProcess {
 public:
  explicit DeviceProcess(const std::vector<std::string>& words) {
    const char* program = std::getenv("HOLDFAST_DEVICE_PROGRAM");
    if (program == nullptr)
      throw Error(ErrorKind::internal, "set HOLDFAST_DEVICE_PROGRAM to holdfast-device's path");
    auto [ours, theirs] = socket_pair();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), device::kControlFd);
    std::vector<const char*> arguments{program, "--name", kName};
    for (const std::string& word : words) arguments.push_back(word.c_str());
    arguments.push_back(nullptr);
    const int rc = ::posix_spawn(&pid_, program, &actions, nullptr,
                                 const_cast<char* const*>(arguments.data()), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) throw Error(ErrorKind::internal, "can't start it", program, rc);
    control_ = std::move(ours);
  }
  ~DeviceProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  DeviceProcess(const DeviceProcess&) = delete;
  DeviceProcess& operator=(const DeviceProcess&) = delete;

  UniqueFd link() {
    auto [core, device] = socket_pair();
    device::send_control(control_.get(), {{"link", kName}}, {device.get()});
    return std::move(core);
  }

 private:
  pid_t pid_ = 0;
  UniqueFd control_;
};

class LinkedBackend final : public Backend, public Enroller, public Anchor {
 public:
  explicit LinkedBackend(const std::vector<std::string>& arguments)
      : process_(arguments), client_(Client::make(loop_, kName, {}, [] {})) {
    client_->attach(process_.link());
    const auto deadline = std::chrono::steady_clock::now() + kOpening;
    while (client_->state() != device::State::ready) {
      if (std::chrono::steady_clock::now() > deadline)
        throw Error(ErrorKind::device_unavailable, client_->reason());
      loop_.run_one_for(kOpening);
    }
  }
  ~LinkedBackend() override { client_->stop(); }

  const DeviceDescription& describe() const override { return client_->description(); }
  DeviceKey create(KeyType type) override { return await(client_->create(kCaller, type)); }
  DeviceKey import_secret(const Secret& secret) override {
    return await(client_->import_secret(kCaller, secret));
  }
  DeviceKey import_private_key(KeyType type, const Secret& pkcs8) override {
    return await(client_->import_private_key(kCaller, type, pkcs8));
  }
  Bytes sign(ByteView object, Algorithm algorithm, ByteView digest,
             const Meanwhile& meanwhile) override {
    meanwhile();
    return await(client_->sign(kCaller, object, algorithm, digest));
  }
  Secret mac(ByteView object, const std::vector<Bytes>& chain) override {
    return await(client_->mac(kCaller, object, chain));
  }
  void remove(ByteView object) override {
    bool done = false;
    std::exception_ptr failure;
    asio::co_spawn(loop_, client_->remove(kCaller, object), [&](std::exception_ptr error) {
      failure = std::move(error);
      done = true;
    });
    run_until(done, failure);
  }
  EnrolledKey enrol(std::string_view uri) override {
    return await(client_->enrol(kCaller, std::string(uri)));
  }
  AnchorState read() override { return await(client_->read_anchor(kCaller)); }
  AnchorState increment() override { return await(client_->increment_anchor(kCaller)); }
  // The client checks by itself, while it is idle.
  void check() override {
    if (client_->state() != device::State::ready)
      throw Error(ErrorKind::device_unavailable, client_->reason());
  }

 private:
  void run_until(const bool& done, const std::exception_ptr& failure) {
    loop_.restart();
    while (!done) loop_.run_one();
    if (failure) std::rethrow_exception(failure);
  }

  template <class Value>
  Value await(asio::awaitable<Value> call) {
    bool done = false;
    std::exception_ptr failure;
    std::optional<Value> value;
    asio::co_spawn(loop_, std::move(call), [&](std::exception_ptr error, Value result) {
      failure = std::move(error);
      value.emplace(std::move(result));
      done = true;
    });
    run_until(done, failure);
    return std::move(*value);
  }

  asio::io_context loop_;
  DeviceProcess process_;
  std::unique_ptr<Client> client_;
};

}  // namespace

std::unique_ptr<Backend> open_linked(const std::vector<std::string>& arguments) {
  return std::make_unique<LinkedBackend>(arguments);
}

}  // namespace holdfast::test
