// THREATS row 7: what a vendor's module does to its process costs only that process.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <list>
#include <map>
#include <semaphore>
#include <set>

#include "daemon/device/message.h"
#include "tests/unit/device_support.h"

namespace holdfast::device {
namespace {

// Does to its process what the first link of the chain says.
class VendorModule final : public Backend {
 public:
  VendorModule() { description_.commands_in_flight = 2; }
  const DeviceDescription& describe() const override { return description_; }
  DeviceKey create(KeyType) override {
    std::raise(SIGKILL);
    return {};
  }
  DeviceKey import_secret(const Secret&) override { return {{1}, {}}; }
  DeviceKey import_private_key(KeyType, const Secret&) override {
    std::raise(SIGKILL);
    return {};
  }
  Bytes sign(ByteView, Algorithm, ByteView, const Meanwhile&) override { return Bytes(64, 1); }
  Secret mac(ByteView, const std::vector<Bytes>& chain) override {
    const std::string_view wish = as_text(chain.at(0));
    if (wish == "crash") std::raise(SIGSEGV);
    if (wish == "abort") std::abort();
    if (wish == "exit") ::_exit(3);
    if (wish == "throw") throw std::string("an exception of no known type");
    if (wish == "hang")
      for (;;) ::pause();
    return Secret(Bytes(32, 5));
  }
  void remove(ByteView) override {}
  void check() override {}

 private:
  DeviceDescription description_;
};

// A real child, ended and reaped when this is destroyed.
class Child {
 public:
  Child() {
    auto [ours, theirs] = make_pair_of_sockets();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ours.reset();
      ::signal(SIGSEGV, SIG_DFL);  // not the sanitizer's
      ::signal(SIGABRT, SIG_DFL);
      // As in main(): what nobody catches ends the process, not in the test framework.
      [&]() noexcept { serve(theirs.get(), [] { return std::make_unique<VendorModule>(); }); }();
      ::_exit(0);
    }
    control_ = std::move(ours);
  }
  ~Child() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  UniqueFd link() {
    auto [core, device] = make_pair_of_sockets();
    send_control(control_.get(), {{"link", "vendor"}}, {device.get()});
    return std::move(core);
  }

 private:
  pid_t pid_ = 0;
  UniqueFd control_;
};

class DeviceProcess : public DeviceClientTest {
 protected:
  // Outlives the command, which begins later.
  const std::vector<Bytes>& wish(std::string_view text) {
    return wishes_.emplace_back(1, Bytes(text.begin(), text.end()));
  }
  const Bytes object_{1};
  std::list<std::vector<Bytes>> wishes_;
};

TEST_F(DeviceProcess, ACrashAnExitAndAnUnknownExceptionCostOnlyTheChild) {
  auto client = make();
  for (const char* way : {"crash", "abort", "exit", "throw"}) {
    SCOPED_TRACE(way);
    {
      Child child;
      client->attach(child.link());
      ASSERT_TRUE(reach(*client, State::ready));
      const auto dying = begin(client->mac(1, object_, wish(way)));
      ASSERT_TRUE(reach([&] { return client->state() != State::ready; }));
      EXPECT_FALSE(dying->done()) << "it may go to the next process, once";
      Child second;
      client->attach(second.link());
      ASSERT_TRUE(reach([&] { return dying->done(); }));
      EXPECT_EQ(dying->error->kind(), ErrorKind::device_unavailable) << "it was tried a third time";
    }
    Child next;
    client->attach(next.link());
    ASSERT_TRUE(reach(*client, State::ready));
    EXPECT_TRUE(await(client->mac(1, object_, wish("work"))).value);
  }
  EXPECT_EQ(overdue_, 0);
}

TEST_F(DeviceProcess, AHangCostsOnlyTheChild) {
  auto client = make({.sign = 1s});
  Child child;
  client->attach(child.link());
  ASSERT_TRUE(reach(*client, State::ready));
  EXPECT_EQ(await(client->mac(1, object_, wish("hang"))).error->kind(),
            ErrorKind::device_unavailable);
  EXPECT_EQ(overdue_, 1);
  child.end();
  Child next;
  client->attach(next.link());
  ASSERT_TRUE(reach(*client, State::ready));
  EXPECT_TRUE(await(client->mac(1, object_, wish("work"))).value);
}

TEST_F(DeviceProcess, SigningGoesToTheNextProcessWhenOneDies) {
  auto client = make();
  Child first;
  client->attach(first.link());
  ASSERT_TRUE(reach(*client, State::ready));
  std::vector<std::shared_ptr<Outcome<Secret>>> outcomes;
  first.end();
  for (std::uint32_t caller = 0; caller < 10; ++caller)
    outcomes.push_back(begin(client->mac(caller, object_, wish("work"))));
  ASSERT_TRUE(reach(*client, State::starting));
  Child second;
  client->attach(second.link());
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(reach([&] { return outcome->done(); }));
    EXPECT_TRUE(outcome->value);
  }
}

TEST_F(DeviceProcess, MakingAKeyIsNeverTriedTwice) {
  auto client = make();
  Child first;
  client->attach(first.link());
  ASSERT_TRUE(reach(*client, State::ready));
  const auto made = await(client->create(1, KeyType::ec_p256));
  ASSERT_TRUE(made.error);
  EXPECT_EQ(made.error->kind(), ErrorKind::device_unavailable);

  Child second;
  client->attach(second.link());
  ASSERT_TRUE(reach(*client, State::ready));
  const Secret key(as_bytes("a private key"));
  const auto imported = await(client->import_private_key(1, KeyType::ec_p256, key));
  ASSERT_TRUE(imported.error);
  EXPECT_EQ(imported.error->kind(), ErrorKind::device_unavailable);
}

// A device with another storage root each time that it is opened; it fails once asked whether it is well.
class OtherDevice : public Backend {
 public:
  explicit OtherDevice(int number) { description_.parent_name = std::to_string(number); }
  const DeviceDescription& describe() const override { return description_; }
  DeviceKey create(KeyType) override { return {}; }
  DeviceKey import_secret(const Secret&) override { return {}; }
  DeviceKey import_private_key(KeyType, const Secret&) override { return {}; }
  Bytes sign(ByteView, Algorithm, ByteView, const Meanwhile&) override { return Bytes(64, 1); }
  Secret mac(ByteView, const std::vector<Bytes>&) override { return Secret(Bytes(32, 5)); }
  void remove(ByteView) override {}
  void check() override { throw Error(ErrorKind::device_unavailable, "gone"); }

 protected:
  DeviceDescription description_;
};

// THREATS row 14: a secret that the core sent to the device it knows must not go to another one.
TEST(DeviceServer, EndsWhenTheDeviceIsAnotherAfterItCameBack) {
  int opened = 0;
  ThreadServer server([&opened] { return std::make_unique<OtherDevice>(++opened); });
  const UniqueFd link = server.link();
  const Wire check = encode(1, Command(Check{}));
  ASSERT_EQ(::send(link.get(), check.data(), check.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(check.size()));
  int ready = 0;
  Bytes buffer(kMostMessageBytes);
  for (ssize_t size = 1; size > 0;) {
    pollfd one{link.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&one, 1, 20'000), 1);
    size = ::recv(link.get(), buffer.data(), buffer.size(), 0);
    if (size <= 0) break;
    const auto answer = decode_answer(ByteView(buffer).first(static_cast<std::size_t>(size)));
    ready += std::holds_alternative<Ready>(answer.body) ? 1 : 0;
    ASSERT_LE(ready, 1) << "it goes on with another device";
  }
  EXPECT_EQ(ready, 1);
}

// What a core that has a defect may send.
std::vector<Wire> what_cannot_be_read() {
  Wire longer = encode(1, Command(Check{}));
  longer.resize(kMostMessageBytes + 1);
  return {{'H', 'F'}, longer};
}

// Closing the link alone would leave a process behind that nobody replaces.
TEST(DeviceServer, EndsByAMessageThatCannotBeRead) {
  for (const Wire& wire : what_cannot_be_read()) {
    ThreadServer server([] { return std::make_unique<OtherDevice>(1); });
    const UniqueFd link = server.link();
    ASSERT_EQ(::send(link.get(), wire.data(), wire.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(wire.size()));
    const auto failure = server.failure();
    ASSERT_TRUE(failure) << "it goes on without a link";
    EXPECT_TRUE(failure->starts_with("a device message holds")) << *failure;
  }
}

// Each command takes until it is permitted to end.
class PermittedDevice final : public OtherDevice {
 public:
  explicit PermittedDevice(std::counting_semaphore<>& permits)
      : OtherDevice(1), permits_(permits) {}
  Bytes sign(ByteView, Algorithm, ByteView, const Meanwhile& meanwhile) override {
    meanwhile();
    permits_.acquire();
    return Bytes(64, 1);
  }
  Secret mac(ByteView, const std::vector<Bytes>&) override {
    permits_.acquire();
    return Secret(Bytes(32, 5));
  }

 private:
  std::counting_semaphore<>& permits_;
};

// The number of the next answer to a command; 0 if none comes.
std::uint64_t next_answer(int link) {
  Bytes buffer(kMostMessageBytes);
  for (;;) {
    pollfd one{link, POLLIN, 0};
    if (::poll(&one, 1, 20'000) != 1) return 0;
    const ssize_t size = ::recv(link, buffer.data(), buffer.size(), 0);
    if (size <= 0) return 0;
    const auto answer = decode_answer(ByteView(buffer).first(static_cast<std::size_t>(size)));
    if (answer.id != 0) return answer.id;
  }
}

TEST(DeviceServer, AnswersWhileTheDeviceIsAtWorkOnTheNextCommand) {
  const Command sign = Sign{{1}, Algorithm::es256, Bytes(32, 7)}, mac = Mac{{1}, {{2}}};
  for (const Command* next : {&sign, &mac}) {
    std::counting_semaphore<> permits(0);
    ThreadServer server([&permits] { return std::make_unique<PermittedDevice>(permits); });
    const UniqueFd link = server.link();
    const std::array<Wire, 2> commands{encode(1, sign), encode(2, *next)};
    for (const Wire& wire : commands)
      ASSERT_EQ(::send(link.get(), wire.data(), wire.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(wire.size()));
    permits.release();
    EXPECT_EQ(next_answer(link.get()), 1U);
    permits.release();
    EXPECT_EQ(next_answer(link.get()), 2U);
  }
}

// Signs and makes MACs in three threads; an HMAC over "lost" finds the device gone.
class SharedDevice final : public OtherDevice {
 public:
  struct Watch {
    std::counting_semaphore<> permits{0};
    std::atomic<int> inside = 0, most = 0, alone = 0, opened = 0, destroyed = 0;
  };
  SharedDevice(Watch& watch, std::uint32_t parallel) : OtherDevice(1), watch_(watch) {
    description_.parallel = description_.commands_in_flight = parallel;
    ++watch_.opened;
  }
  ~SharedDevice() override {
    EXPECT_EQ(watch_.inside, 0) << "it was closed while in use";
    ++watch_.destroyed;
  }
  Bytes sign(ByteView, Algorithm, ByteView, const Meanwhile& meanwhile) override {
    meanwhile();
    use();
    return Bytes(64, 1);
  }
  Secret mac(ByteView, const std::vector<Bytes>& chain) override {
    use();
    if (as_text(chain.at(0)) == "lost") throw Error(ErrorKind::device_unavailable, "pulled out");
    return Secret(Bytes(32, 5));
  }
  DeviceKey create(KeyType) override {
    if (watch_.inside != 0) ++watch_.alone;
    return {{1}, {}};
  }

 private:
  void use() {
    const int now = ++watch_.inside;
    for (int most = watch_.most; most < now && !watch_.most.compare_exchange_weak(most, now);) {
    }
    watch_.permits.acquire();
    --watch_.inside;
  }
  Watch& watch_;
};

class Parallel : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kParallel = 3;
  Factory open() {
    return [this] { return std::make_unique<SharedDevice>(watch_, parallel_); };
  }
  // Ready comes when the link is made, or once the device is open.
  static void reach_ready(int link) {
    for (;;) {
      const auto answer = receive(link);
      ASSERT_TRUE(answer);
      if (std::holds_alternative<Ready>(answer->body)) return;
    }
  }
  static std::optional<Message<Answer>> receive(int link) {
    Bytes buffer(kMostMessageBytes);
    pollfd one{link, POLLIN, 0};
    if (::poll(&one, 1, 20'000) != 1) return std::nullopt;
    const ssize_t size = ::recv(link, buffer.data(), buffer.size(), 0);
    if (size <= 0) return std::nullopt;
    return decode_answer(ByteView(buffer).first(static_cast<std::size_t>(size)));
  }
  static void send(int link, std::uint64_t id, const Command& command) {
    const Wire wire = encode(id, command);
    ASSERT_EQ(::send(link, wire.data(), wire.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(wire.size()));
  }
  template <class Condition>
  static bool reach(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  SharedDevice::Watch watch_;
  std::atomic<std::uint32_t> parallel_ = kParallel;
  const Command sign_ = Sign{{1}, Algorithm::es256, Bytes(32, 7)};
  const Command lost_ = Mac{{1}, {Bytes{'l', 'o', 's', 't'}}};
};

TEST_F(Parallel, SignaturesAreMadeAtOnceAndOtherCommandsAlone) {
  ThreadServer server(open());
  const UniqueFd link = server.link();
  reach_ready(link.get());
  for (std::uint64_t id = 1; id <= 6; ++id) send(link.get(), id, sign_);
  EXPECT_TRUE(reach([&] { return watch_.inside == 3; }));
  send(link.get(), 7, Create{KeyType::ec_p256});
  watch_.permits.release(6);
  std::set<std::uint64_t> answered;
  while (answered.size() < 7) {
    const auto answer = receive(link.get());
    ASSERT_TRUE(answer);
    EXPECT_FALSE(std::holds_alternative<Failure>(answer->body));
    answered.insert(answer->id);
  }
  EXPECT_EQ(watch_.most, 3);
  EXPECT_EQ(watch_.alone, 0) << "a key was made beside a signature";
}

TEST_F(Parallel, ALostDeviceIsClosedWhenAllAreOutOfItAndOpenedAgain) {
  ThreadServer server(open());
  const UniqueFd link = server.link();
  reach_ready(link.get());
  send(link.get(), 1, sign_);
  send(link.get(), 2, sign_);
  ASSERT_TRUE(reach([&] { return watch_.inside == 2; }));
  send(link.get(), 3, lost_);
  ASSERT_TRUE(reach([&] { return watch_.inside == 3; }));
  watch_.permits.release(3);  // whichever gets out first, none may be inside when it is closed
  std::map<std::uint64_t, bool> failed;
  bool told = false;
  while (failed.size() < 3) {
    const auto answer = receive(link.get());
    ASSERT_TRUE(answer);
    if (answer->id == 0)
      told = told || std::holds_alternative<Unavailable>(answer->body);
    else
      failed[answer->id] = std::holds_alternative<Failure>(answer->body);
  }
  EXPECT_TRUE(told);
  EXPECT_EQ(failed, (std::map<std::uint64_t, bool>{{1, false}, {2, false}, {3, true}}));
  reach_ready(link.get());
  EXPECT_EQ(watch_.opened, 2);
  EXPECT_EQ(watch_.destroyed, 1);
  watch_.permits.release();
  send(link.get(), 4, sign_);
  const auto answer = receive(link.get());
  ASSERT_TRUE(answer);
  EXPECT_TRUE(std::holds_alternative<Signature>(answer->body));
}

TEST_F(Parallel, ANewLinkTakesTheFormersPlace) {
  for (const std::uint32_t parallel : {1U, kParallel}) {
    parallel_ = parallel;
    ThreadServer server(open());
    UniqueFd former = server.link();
    reach_ready(former.get());
    watch_.permits.release(2);
    send(former.get(), 1, sign_);
    EXPECT_EQ(next_answer(former.get()), 1U);
    send(former.get(), 2, sign_);
    former.reset();  // with an answer under way that nobody takes
    const UniqueFd link = server.link();
    reach_ready(link.get());
    watch_.permits.release();
    send(link.get(), 3, sign_);
    EXPECT_EQ(next_answer(link.get()), 3U);
  }
}

TEST_F(Parallel, EndsByAMessageThatCannotBeReadOnceWhatIsUnderWayIsAnswered) {
  for (const Wire& wire : what_cannot_be_read()) {
    ThreadServer server(open());
    const UniqueFd link = server.link();
    reach_ready(link.get());
    send(link.get(), 1, sign_);
    ASSERT_TRUE(reach([&] { return watch_.inside == 1; }));
    ASSERT_EQ(::send(link.get(), wire.data(), wire.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(wire.size()));
    watch_.permits.release();
    EXPECT_EQ(next_answer(link.get()), 1U);
    const auto failure = server.failure();
    ASSERT_TRUE(failure) << "it goes on without a link";
    EXPECT_TRUE(failure->starts_with("a device message holds")) << *failure;
  }
}

TEST_F(Parallel, EndsWhenTheDeviceComesBackWithAnotherNumberOfSessions) {
  ThreadServer server(open());
  const UniqueFd link = server.link();
  reach_ready(link.get());
  parallel_ = 2;
  watch_.permits.release();
  send(link.get(), 1, lost_);
  while (receive(link.get())) {
  }
  EXPECT_EQ(watch_.opened, 2);
}

}  // namespace
}  // namespace holdfast::device
