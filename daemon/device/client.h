// The core's end of one device process: deadlines, a fair bounded queue, commands in flight.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "daemon/base/posix.h"
#include "daemon/key/backend.h"

namespace holdfast::device {

enum class State {
  starting,  // no process yet, or the device is being opened
  ready,
  unavailable,  // does not answer; being brought back
  refused,      // answers, but must not be used: a software device, another parent
};
std::string_view to_string(State state) noexcept;

struct Settings {
  std::size_t queue_limit = 1024;  // waiting commands, all callers together
  std::size_t queue_limit_per_caller = 128;
  std::chrono::milliseconds wait{5000};          // in the queue, then Error{overloaded}
  std::chrono::milliseconds restart_grace{900};  // waiting for a starting device, then refused
  std::chrono::milliseconds sign{5000};          // under way, then the process is replaced
  std::chrono::milliseconds rsa_generation{180'000};
  std::chrono::milliseconds open{30'000};       // no word while it opens: the process is replaced
  std::chrono::milliseconds check_every{5000};  // while idle, so that a dead device is noticed
};

// On the event loop's thread alone. The methods are Backend's, awaited; they throw the same errors and
// overloaded. `caller` (Caller::account) is who is served in turn. Each returns within its deadline; cancellation
// is not supported, so what the arguments refer to has to live until then, as in a plain co_await.
//
// While the device is `starting` commands wait, for the grace; `unavailable` and `refused` refuse at
// once. sign, mac, remove, enrol and read_anchor give the same when they are repeated, so those under way when a
// process dies go to its successor, once; create, the imports and increment_anchor don't and fail.
class Client {
 public:
  // `overdue`: a command passed its deadline; the supervisor has to replace the process.
  static std::unique_ptr<Client> make(boost::asio::io_context& loop, std::string name,
                                      Settings settings, std::function<void()> overdue);
  virtual ~Client() = default;

  // A new process is at the other end of this SOCK_SEQPACKET socket.
  virtual void attach(UniqueFd link) = 0;

  // Marks the device as not to be used, with the reason that health shows; what waits fails.
  virtual void refuse(std::string reason) = 0;
  // Called with the description whenever a process has opened its device, before any command is sent;
  // refuse() may be called from inside.
  virtual void on_ready(std::function<void(const DeviceDescription&)> callback) = 0;

  // Called for each command that was answered, however: how long it waited for the device, and how long the
  // device was at it.
  using Duration = std::chrono::steady_clock::duration;
  virtual void on_answered(std::function<void(Duration waited, Duration worked)> callback) = 0;

  virtual State state() const = 0;
  virtual std::string reason() const = 0;                    // why not ready
  virtual const DeviceDescription& description() const = 0;  // the last one known
  virtual const std::string& name() const = 0;
  // Nothing waits or is under way: the moment for what may wait.
  virtual bool idle() const = 0;

  virtual boost::asio::awaitable<DeviceKey> create(std::uint64_t caller, KeyType type) = 0;
  virtual boost::asio::awaitable<DeviceKey> import_secret(std::uint64_t caller,
                                                          const Secret& secret) = 0;
  virtual boost::asio::awaitable<DeviceKey> import_private_key(std::uint64_t caller, KeyType type,
                                                               const Secret& pkcs8) = 0;
  virtual boost::asio::awaitable<Bytes> sign(std::uint64_t caller, ByteView object,
                                             Algorithm algorithm, ByteView digest) = 0;
  virtual boost::asio::awaitable<Secret> mac(std::uint64_t caller, ByteView object,
                                             const std::vector<Bytes>& chain) = 0;
  virtual boost::asio::awaitable<void> remove(std::uint64_t caller, ByteView object) = 0;
  // Enroller's; unsupported for a device that is none.
  virtual boost::asio::awaitable<EnrolledKey> enrol(std::uint64_t caller, std::string uri) = 0;
  // Anchor's; unsupported for a device that is none.
  virtual boost::asio::awaitable<AnchorState> read_anchor(std::uint64_t caller) = 0;
  virtual boost::asio::awaitable<AnchorState> increment_anchor(std::uint64_t caller) = 0;

  // Fails what waits and is under way, closes the link.
  virtual void stop() = 0;
};

}  // namespace holdfast::device
