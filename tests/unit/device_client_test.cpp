#include <map>

#include "daemon/base/openssl.h"
#include "daemon/device/message.h"
#include "tests/support/fake_backend.h"
#include "tests/unit/device_support.h"

namespace holdfast::device {
namespace {

const std::vector<Bytes> kChain{{1, 2, 3}, {4}};
const Bytes kObject{1};

class DeviceClient : public DeviceClientTest {
 protected:
  std::shared_ptr<test::FakeDevice> device_ = test::FakeDevice::make();
  Factory open_ = [this] { return device_->open(); };

  // A key made behind the client's back.
  Bytes hmac_key() { return device_->open()->import_secret(Secret(as_bytes("key"))).object; }
  Secret expected_mac() {
    const Secret first = hmac_sha256(as_bytes("key"), kChain[0]);
    return hmac_sha256(first.view(), kChain[1]);
  }
};

TEST_F(DeviceClient, EveryCommandReachesTheDeviceAndItsResultComesBack) {
  ThreadServer server(open_);
  auto client = make();
  EXPECT_EQ(client->state(), State::starting);
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  EXPECT_EQ(client->description().backend, "fake");

  const auto key = await(client->create(1, KeyType::ec_p256));
  ASSERT_TRUE(key.value);
  const Sha256 digest = sha256("message");
  const auto signature = await(client->sign(1, key.value->object, Algorithm::es256, digest));
  ASSERT_TRUE(signature.value);
  EXPECT_EQ(signature.value->size(), 64U);

  const Secret secret(as_bytes("key"));
  const auto imported = await(client->import_secret(1, secret));
  ASSERT_TRUE(imported.value);
  const auto mac = await(client->mac(1, imported.value->object, kChain));
  ASSERT_TRUE(mac.value);
  EXPECT_EQ(to_hex(mac.value->view()), to_hex(expected_mac().view()));

  bool removed = false;
  boost::asio::co_spawn(loop_, client->remove(1, imported.value->object),
                        [&](std::exception_ptr failure) { removed = !failure; });
  ASSERT_TRUE(reach([&] { return removed; }));
  EXPECT_EQ(await(client->mac(1, imported.value->object, kChain)).error->kind(),
            ErrorKind::key_lost);

  EXPECT_EQ(await(client->read_anchor(1)).value->value, std::nullopt);
  EXPECT_EQ(await(client->increment_anchor(1)).value->value, 1U);
  EXPECT_EQ(await(client->read_anchor(1)).value->value, 1U);
}

TEST_F(DeviceClient, SaysHowLongEachCommandWaitedAndHowLongTheDeviceWasAtIt) {
  const Bytes key = hmac_key();
  ThreadServer server(open_);
  auto client = make();
  std::vector<std::pair<Client::Duration, Client::Duration>> times;
  client->on_answered([&](auto waited, auto worked) { times.emplace_back(waited, worked); });
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->hang();
  for (int i = 0; i < 3; ++i) begin(client->mac(1, key, kChain));
  ASSERT_TRUE(reach([&] { return device_->hanging() == 1; }));
  loop_.restart();
  loop_.poll();  // all three are submitted
  const auto submitted = std::chrono::steady_clock::now();
  ASSERT_TRUE(reach([&] { return std::chrono::steady_clock::now() - submitted > 30ms; }));
  const auto released = std::chrono::steady_clock::now();
  device_->release();
  ASSERT_TRUE(reach([&] { return times.size() == 3; }));
  const auto after = std::chrono::steady_clock::now() - released;
  EXPECT_GE(times[0].second, released - submitted);  // the device was at it
  for (const std::size_t behind : {1, 2}) {
    EXPECT_GE(times[behind].first, released - submitted);
    EXPECT_LE(times[behind].second, after);
  }
}

TEST_F(DeviceClient, TheDevicesErrorsKeepTheirKindAndText) {
  const Bytes key = hmac_key();
  ThreadServer server(open_);
  auto client = make();
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  for (const ErrorKind kind : {ErrorKind::unsupported, ErrorKind::key_lost,
                               ErrorKind::invalid_request, ErrorKind::internal}) {
    device_->fail_next(1, kind);
    const auto outcome = await(client->mac(1, key, kChain));
    ASSERT_TRUE(outcome.error);
    EXPECT_EQ(outcome.error->kind(), kind);
    EXPECT_EQ(outcome.error->detail(), "a fault that the test asked for");
    EXPECT_EQ(outcome.error->where(), "fake");
  }
  EXPECT_EQ(client->state(), State::ready);
}

TEST_F(DeviceClient, ADeviceThatFailsIsOpenedAgainAndRefusesAtOnceMeanwhile) {
  const Bytes key = hmac_key();
  ThreadServer server(open_);
  auto client = make({.wait = 1h, .restart_grace = 1h});  // what waits would never be done
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->fail_next(1000, ErrorKind::device_unavailable);
  EXPECT_EQ(await(client->mac(1, key, kChain)).error->kind(), ErrorKind::device_unavailable);
  EXPECT_EQ(client->state(), State::unavailable);
  EXPECT_NE(client->reason(), "");
  EXPECT_EQ(await(client->mac(1, key, kChain)).error->kind(), ErrorKind::device_unavailable);
  device_->fail_next(0, ErrorKind::device_unavailable);
  ASSERT_TRUE(reach(*client, State::ready));
  EXPECT_TRUE(await(client->mac(1, key, kChain)).value);
  EXPECT_EQ(overdue_, 0);
}

TEST_F(DeviceClient, WhatWaitsForAStartingDeviceIsDoneOnceItIsThere) {
  const Bytes key = hmac_key();
  auto client = make();
  const auto early = begin(client->mac(1, key, kChain));
  ThreadServer server(open_);
  client->attach(server.link());
  ASSERT_TRUE(reach([&] { return early->done(); }));
  EXPECT_TRUE(early->value);
}

TEST_F(DeviceClient, ADeviceThatDoesNotStartIsRefusedAfterTheGrace) {
  auto client = make();
  const auto before = std::chrono::steady_clock::now();
  const auto outcome = await(client->mac(1, kObject, kChain));
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->kind(), ErrorKind::device_unavailable);
  EXPECT_GE(std::chrono::steady_clock::now() - before, Settings().restart_grace);
  EXPECT_LT(Settings().restart_grace, 1s);
}

TEST_F(DeviceClient, AHangIsReportedOnceAndTheNextProcessServes) {
  const Bytes key = hmac_key();
  auto client = make({.sign = 1s});
  ThreadServer first(open_);
  client->attach(first.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->hang();
  const auto stuck = begin(client->mac(1, key, kChain));
  const auto behind = begin(client->mac(2, key, kChain));
  const auto waiting = begin(client->mac(3, key, kChain));
  ASSERT_TRUE(reach([&] { return stuck->done() && behind->done() && waiting->done(); }));
  for (const auto& outcome : {stuck, behind, waiting})
    EXPECT_EQ(outcome->error->kind(), ErrorKind::device_unavailable);
  EXPECT_EQ(overdue_, 1);
  EXPECT_EQ(client->state(), State::unavailable);
  EXPECT_EQ(await(client->mac(1, key, kChain)).error->kind(), ErrorKind::device_unavailable);

  device_->release();
  ThreadServer second(open_);
  client->attach(second.link());
  ASSERT_TRUE(reach(*client, State::ready));
  EXPECT_TRUE(await(client->mac(1, key, kChain)).value);
  EXPECT_EQ(overdue_, 1);
}

TEST_F(DeviceClient, AnOpeningThatHangsIsReported) {
  device_->hang();
  auto client = make({.open = 200ms});
  ThreadServer server(open_);
  client->attach(server.link());
  EXPECT_TRUE(reach([&] { return overdue_ == 1; }));
  EXPECT_EQ(client->state(), State::unavailable);
  device_->release();
}

TEST_F(DeviceClient, NoMoreCommandsAreUnderWayThanTheDeviceTakes) {
  auto [core, device] = make_pair_of_sockets();
  auto client = make();
  client->attach(std::move(core));
  DeviceDescription description;
  description.commands_in_flight = 2;
  const Wire ready = encode(0, Ready{description});
  ASSERT_GT(::send(device.get(), ready.data(), ready.size(), 0), 0);
  ASSERT_TRUE(reach(*client, State::ready));

  std::vector<std::shared_ptr<Outcome<Secret>>> outcomes;
  for (std::uint32_t caller = 0; caller < 5; ++caller)
    outcomes.push_back(begin(client->mac(caller, kObject, kChain)));
  Bytes buffer(kMostMessageBytes);
  const auto received = [&]() -> std::optional<std::uint64_t> {
    const auto size = ::recv(device.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) return std::nullopt;
    return decode_command({buffer.data(), static_cast<std::size_t>(size)}).id;
  };
  std::vector<std::uint64_t> ids;
  const auto collect = [&](std::size_t count) {
    return reach([&] {
      if (const auto id = received()) ids.push_back(*id);
      return ids.size() >= count;
    });
  };
  ASSERT_TRUE(collect(2));
  while (loop_.poll_one() > 0) {
  }
  EXPECT_FALSE(received()) << "a third command was sent";
  for (std::size_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(collect(i + 1));
    const Wire answer = encode(ids[i], Secret(Bytes(32, 7)));
    ASSERT_GT(::send(device.get(), answer.data(), answer.size(), 0), 0);
  }
  for (const auto& outcome : outcomes)
    EXPECT_TRUE(reach([&] { return outcome->value.has_value(); }));
}

// A process of our own making at the other end of the link, for a device that does two things at once.
class ParallelClient : public DeviceClient {
 protected:
  ParallelClient() {
    auto [core, device] = make_pair_of_sockets();
    client_ = make({.sign = 1000ms});
    client_->attach(std::move(core));
    device_end_ = std::move(device);
    DeviceDescription description;
    description.parallel = 2;
    description.commands_in_flight = 3;
    say(0, Ready{description});
    EXPECT_TRUE(reach(*client_, State::ready));
  }
  void say(std::uint64_t id, const Answer& answer) {
    const Wire wire = encode(id, answer);
    ASSERT_GT(::send(device_end_.get(), wire.data(), wire.size(), 0), 0);
  }
  // What the core has sent by now.
  std::vector<std::uint64_t> received() {
    for (int i = 0; i < 20; ++i) loop_.restart(), loop_.run_one_for(1ms);
    std::vector<std::uint64_t> ids;
    Bytes buffer(kMostMessageBytes);
    for (;;) {
      const auto size = ::recv(device_end_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size <= 0) return ids;
      ids.push_back(decode_command({buffer.data(), static_cast<std::size_t>(size)}).id);
    }
  }
  std::unique_ptr<Client> client_;
  UniqueFd device_end_;
};

TEST_F(ParallelClient, WhatHasToBeAloneWaitsUntilNothingIsUnderWayAndHoldsUpTheRest) {
  const auto first = begin(client_->mac(1, kObject, kChain));
  const auto made = begin(client_->create(2, KeyType::rsa_2048));
  const auto second = begin(client_->mac(3, kObject, kChain));
  const auto third = begin(client_->mac(4, kObject, kChain));
  ASSERT_EQ(received(), std::vector<std::uint64_t>{1});
  say(1, Secret(Bytes(32, 7)));
  ASSERT_EQ(received(), std::vector<std::uint64_t>{2}) << "the key is to be made alone";
  say(2, DeviceKey{{1}, {}});
  EXPECT_EQ(received(), (std::vector<std::uint64_t>{3, 4}));
  EXPECT_TRUE(first->value && made->value);
}

TEST_F(ParallelClient, EachOfThoseUnderWayHasADeadlineOfItsOwn) {
  const auto answered = begin(client_->mac(1, kObject, kChain));
  const auto hanging = begin(client_->mac(2, kObject, kChain));
  ASSERT_EQ(received().size(), 2U);
  say(1, Secret(Bytes(32, 7)));
  ASSERT_TRUE(reach([&] { return overdue_ == 1; }));
  ASSERT_TRUE(reach([&] { return hanging->done(); }));
  EXPECT_EQ(hanging->error->kind(), ErrorKind::device_unavailable);
  EXPECT_TRUE(answered->value);
}

TEST_F(DeviceClient, AParallelDeviceIsUsedByAsManyAtOnceAsItSays) {
  device_->work_in_parallel(4);
  const Bytes key = hmac_key();
  ThreadServer server(open_);
  auto client = make();
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->hang();
  std::vector<std::shared_ptr<Outcome<Secret>>> outcomes;
  for (std::uint32_t caller = 1; caller <= 8; ++caller)
    outcomes.push_back(begin(client->mac(caller, key, kChain)));
  EXPECT_TRUE(reach([&] { return device_->hanging() == 4; }));
  device_->release();
  for (const auto& outcome : outcomes) {
    ASSERT_TRUE(reach([&] { return outcome->done(); }));
    EXPECT_TRUE(outcome->value);
  }
  EXPECT_EQ(device_->most_at_once(), 4);
  EXPECT_TRUE(await(client->create(1, KeyType::ec_p256)).value);
}

TEST_F(DeviceClient, EnrolsAKeyThatIsOnTheDeviceAndKeepsTheReasonWhereItDoesNot) {
  const std::string good = device_->place_key(KeyType::ec_p256);
  const std::string weak = device_->place_key(KeyType::ec_p256, true, false);
  ThreadServer server(open_);
  auto client = make();
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  const auto found = await(client->enrol(1, good));
  ASSERT_TRUE(found.value);
  EXPECT_EQ(found.value->type, KeyType::ec_p256);
  EXPECT_TRUE(found.value->always_secret);
  const Sha256 digest = sha256("message");
  EXPECT_TRUE(await(client->sign(1, found.value->key.object, Algorithm::es256, digest)).value);
  const auto refused = await(client->enrol(1, weak));
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->kind(), ErrorKind::conflict);
  EXPECT_EQ(await(client->enrol(1, "pkcs11:object=none")).error->kind(),
            ErrorKind::invalid_request);
}

// THREATS row 20: each of twenty gets through while one has as much waiting as it may.
TEST_F(DeviceClient, OneFlooderDelaysTwentyVictimsByAFewTurnsAndIsItselfRefused) {
  const Bytes key = hmac_key();
  ThreadServer server(open_);
  auto client = make();
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->delay_each(2ms);
  std::vector<std::shared_ptr<Outcome<Secret>>> flood, victims;
  for (int i = 0; i < 200; ++i) flood.push_back(begin(client->mac(7, key, kChain)));
  for (std::uint32_t caller = 100; caller < 120; ++caller)
    victims.push_back(begin(client->mac(caller, key, kChain)));
  ASSERT_TRUE(reach([&] {
    return std::all_of(victims.begin(), victims.end(), [](const auto& v) { return v->done(); });
  }));
  for (const auto& victim : victims) EXPECT_TRUE(victim->value);
  std::map<bool, int> flooders;  // refused with overloaded, or served by now
  for (const auto& outcome : flood) {
    if (outcome->error) {
      EXPECT_EQ(outcome->error->kind(), ErrorKind::overloaded);
    }
    if (outcome->done()) ++flooders[outcome->error.has_value()];
  }
  EXPECT_GE(flooders[true], 60);   // over the 128 that one caller may have waiting
  EXPECT_LE(flooders[false], 30);  // served while twenty victims were
  client->stop();
  ASSERT_TRUE(reach([&] {
    return std::all_of(flood.begin(), flood.end(), [](const auto& f) { return f->done(); });
  }));
}

TEST_F(DeviceClient, WhatWaitsTooLongIsToldToComeBack) {
  const Bytes key = hmac_key();
  auto client = make({.wait = 1s, .sign = 60s});
  ThreadServer server(open_);
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->hang();
  const auto oldest = begin(client->mac(1, key, kChain));
  const auto second = begin(client->mac(2, key, kChain));
  const auto third = begin(client->mac(3, key, kChain));
  ASSERT_TRUE(reach([&] { return second->done() && third->done(); }));
  EXPECT_EQ(second->error->kind(), ErrorKind::overloaded);
  EXPECT_EQ(third->error->kind(), ErrorKind::overloaded);
  EXPECT_FALSE(oldest->done());
  device_->release();
  ASSERT_TRUE(reach([&] { return oldest->done(); }));
  EXPECT_TRUE(oldest->value);
  EXPECT_TRUE(await(client->mac(1, key, kChain)).value) << "the late answer was taken for an error";
  EXPECT_EQ(overdue_, 0);
}

TEST_F(DeviceClient, ARefusedDeviceGetsNoCommandUntilAnotherOneIsReady) {
  const Bytes key = hmac_key();
  auto client = make();
  bool software_is_allowed = false;
  client->on_ready([&](const DeviceDescription& description) {
    EXPECT_TRUE(description.software);
    if (!software_is_allowed) client->refuse("it is software");
  });
  const auto early = begin(client->mac(1, key, kChain));
  ThreadServer first(open_);
  client->attach(first.link());
  ASSERT_TRUE(reach([&] { return early->done(); }));
  EXPECT_EQ(early->error->kind(), ErrorKind::device_unavailable);
  EXPECT_EQ(client->state(), State::refused);
  EXPECT_EQ(client->reason(), "it is software");
  EXPECT_EQ(device_->calls(), 3);  // two openings and the test's own import

  software_is_allowed = true;
  ThreadServer second(open_);
  client->attach(second.link());
  ASSERT_TRUE(reach(*client, State::ready));
  EXPECT_TRUE(await(client->mac(1, key, kChain)).value);
}

TEST_F(DeviceClient, ADeadDeviceIsNoticedWhileNobodyAsks) {
  auto client = make({.check_every = 100ms});
  ThreadServer server(open_);
  client->attach(server.link());
  ASSERT_TRUE(reach(*client, State::ready));
  device_->set_lockout_counter(9);
  EXPECT_TRUE(reach([&] { return client->description().lockout_counter == 9; }));
  device_->fail_next(1000, ErrorKind::device_unavailable);
  EXPECT_TRUE(reach(*client, State::unavailable));
  device_->fail_next(0, ErrorKind::device_unavailable);
  EXPECT_TRUE(reach(*client, State::ready));
}

TEST_F(DeviceClient, AProcessThatBreaksTheProtocolIsReplaced) {
  DeviceDescription description;
  const Wire ready = encode(0, Ready{description});
  const Wire unasked = encode(12345, Secret(Bytes(32)));
  const Wire garbage{'H', 'F', 9};
  const Wire wrong = encode(1, Removed{});
  const Wire longer(kMostMessageBytes + 1);
  int expected = 0;
  for (const Wire* bad : {&unasked, &garbage, &wrong, &longer}) {
    auto client = make();
    auto [core, device] = make_pair_of_sockets();
    client->attach(std::move(core));
    ASSERT_GT(::send(device.get(), ready.data(), ready.size(), 0), 0);
    ASSERT_TRUE(reach(*client, State::ready));
    const auto outcome = begin(client->mac(1, kObject, kChain));
    ASSERT_GT(::send(device.get(), bad->data(), bad->size(), 0), 0);
    ASSERT_TRUE(reach([&] { return outcome->done(); }));
    EXPECT_EQ(outcome->error->kind(), ErrorKind::device_unavailable);
    EXPECT_EQ(client->state(), State::unavailable);
    EXPECT_EQ(overdue_, ++expected);
  }
}

TEST_F(DeviceClient, AStoppedClientFailsWhatItHasAndTakesNothingMore) {
  const Bytes key = hmac_key();
  auto client = make();
  const auto waiting = begin(client->mac(1, key, kChain));
  ASSERT_TRUE(reach([&] { return loop_.poll_one() == 0; }));
  client->stop();
  ASSERT_TRUE(reach([&] { return waiting->done(); }));
  EXPECT_EQ(waiting->error->kind(), ErrorKind::device_unavailable);
  EXPECT_EQ(await(client->mac(1, key, kChain)).error->kind(), ErrorKind::device_unavailable);
}

TEST(DeviceServer, LeavesWhenTheSupervisorSaysSoOrIsGone) {
  const auto device = test::FakeDevice::make();
  for (const bool say : {true, false}) {
    auto [ours, theirs] = make_pair_of_sockets();
    std::thread thread([&, fd = theirs.get()] { serve(fd, [&] { return device->open(); }); });
    const auto ready = receive_control(ours.get());
    ASSERT_TRUE(ready);
    EXPECT_TRUE(ready->body.contains("ready"));
    if (say)
      send_control(ours.get(), {{"stop", true}});
    else
      ours.reset();
    thread.join();
  }
}

}  // namespace
}  // namespace holdfast::device
