#include "daemon/device/client.h"

#include <utility>

#include "daemon/device/dispatcher.h"
#include "daemon/device/message.h"

namespace holdfast::device {
namespace {

namespace asio = boost::asio;

class LinkedClient final : public Client {
 public:
  LinkedClient(asio::io_context& loop, std::string name, Settings settings,
               std::function<void()> overdue)
      : dispatcher_(loop, std::move(name), settings, std::move(overdue)) {}

  void attach(UniqueFd socket) override { dispatcher_.attach(std::move(socket)); }
  void refuse(std::string reason) override { dispatcher_.refuse(std::move(reason)); }
  void on_ready(std::function<void(const DeviceDescription&)> callback) override {
    dispatcher_.on_ready(std::move(callback));
  }
  void on_answered(std::function<void(Duration, Duration)> callback) override {
    dispatcher_.on_answered(std::move(callback));
  }
  void stop() override { dispatcher_.stop(); }

  State state() const override { return dispatcher_.state(); }
  std::string reason() const override { return dispatcher_.reason(); }
  const DeviceDescription& description() const override { return dispatcher_.description(); }
  const std::string& name() const override { return dispatcher_.name(); }
  bool idle() const override { return dispatcher_.idle(); }

  // Each command is a local of the coroutine: g++ 12 destroys temporaries in a co_await twice.
  asio::awaitable<DeviceKey> create(std::uint64_t caller, KeyType type) override {
    const Command command = Create{type};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<DeviceKey>(std::move(answer));
  }
  asio::awaitable<DeviceKey> import_secret(std::uint64_t caller, const Secret& secret) override {
    const Command command = ImportSecret{secret.clone()};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<DeviceKey>(std::move(answer));
  }
  asio::awaitable<DeviceKey> import_private_key(std::uint64_t caller, KeyType type,
                                                const Secret& pkcs8) override {
    const Command command = ImportPrivateKey{type, pkcs8.clone()};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<DeviceKey>(std::move(answer));
  }
  asio::awaitable<Bytes> sign(std::uint64_t caller, ByteView object, Algorithm algorithm,
                              ByteView digest) override {
    const Command command =
        Sign{{object.begin(), object.end()}, algorithm, {digest.begin(), digest.end()}};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<Signature>(std::move(answer)).bytes;
  }
  asio::awaitable<Secret> mac(std::uint64_t caller, ByteView object,
                              const std::vector<Bytes>& chain) override {
    const Command command = Mac{{object.begin(), object.end()}, chain};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<Secret>(std::move(answer));
  }
  asio::awaitable<void> remove(std::uint64_t caller, ByteView object) override {
    const Command command = Remove{{object.begin(), object.end()}};
    co_await dispatcher_.perform(caller, command);
  }
  asio::awaitable<EnrolledKey> enrol(std::uint64_t caller, std::string uri) override {
    const Command command = Enrol{std::move(uri)};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<EnrolledKey>(std::move(answer));
  }
  asio::awaitable<AnchorState> read_anchor(std::uint64_t caller) override {
    const Command command = ReadAnchor{};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<AnchorState>(answer);
  }
  asio::awaitable<AnchorState> increment_anchor(std::uint64_t caller) override {
    const Command command = IncrementAnchor{};
    Answer answer = co_await dispatcher_.perform(caller, command);
    co_return std::get<AnchorState>(answer);
  }

 private:
  Dispatcher dispatcher_;
};

}  // namespace

std::string_view to_string(State state) noexcept {
  switch (state) {
    case State::starting:
      return "starting";
    case State::ready:
      return "ready";
    case State::unavailable:
      return "unavailable";
    case State::refused:
      return "refused";
  }
  return "unavailable";
}

std::unique_ptr<Client> Client::make(asio::io_context& loop, std::string name, Settings settings,
                                     std::function<void()> overdue) {
  return std::make_unique<LinkedClient>(loop, std::move(name), settings, std::move(overdue));
}

}  // namespace holdfast::device
