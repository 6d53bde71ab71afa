// Several threads at one token.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "pkcs11/backend.h"
#include "tests/contract/crypto.h"
#include "tests/support/hostile.h"
#include "tests/support/softhsm.h"

namespace holdfast::test {
namespace {

using Clock = std::chrono::steady_clock;

TEST(Pkcs11Parallel, ThreadsSignAndMacWithKeysOfTheirOwn) {
  HOLDFAST_REQUIRE_SOFTHSM();
  const SoftHsm hsm;
  hsm.add("parallel");
  const auto backend = pkcs11::open(
      {SoftHsm::module(), SoftHsm::uri("parallel"), Secret(as_bytes(SoftHsm::kPin)), 8});
  ASSERT_EQ(backend->describe().parallel, 8U);
  EXPECT_EQ(backend->describe().commands_in_flight, 16U);
  std::vector<DeviceKey> signers, macs;
  for (int i = 0; i < 8; ++i) {
    signers.push_back(backend->create(KeyType::ec_p256));
    macs.push_back(backend->import_secret(Secret(as_bytes("secret " + std::to_string(i)))));
  }
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < 200; ++n) {
        const std::string text = std::to_string(i) + ' ' + std::to_string(n);
        const Sha256 digest = sha256(text);
        good += verifies(signers[i].public_key, digest,
                         backend->sign(signers[i].object, Algorithm::es256, digest));
        good += hex_of(backend->mac(macs[i].object, {bytes_of(text)})) ==
                hex_of(hmac_sha256(as_bytes("secret " + std::to_string(i)), as_bytes(text)));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 8 * 200 * 2);
}

// 20 ms a signature and 8 sessions at most, so that 8 threads make 400 a second and no more than that.
TEST(Pkcs11Parallel, ASlowTokensSessionsAreAllUsedAndNoMoreThanItHas) {
  const Hostile hostile;
  hostile.set("sessions=8");
  const auto backend = Hostile::open();
  ASSERT_EQ(backend->describe().parallel, 8U);
  const DeviceKey key = backend->create(KeyType::ec_p256);
  hostile.set("sessions=8 Sign=sleep:20");
  constexpr int kThreads = 12, kEach = 10;  // more than sessions: the others wait for their turn
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  for (int i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {
      for (int n = 0; n < kEach; ++n) {
        const Sha256 digest = sha256(std::to_string(i) + ' ' + std::to_string(n));
        good +=
            verifies(key.public_key, digest, backend->sign(key.object, Algorithm::es256, digest));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, kThreads * kEach);
  EXPECT_EQ(Hostile::most_asleep(), 8);
  // 15 rounds of 20 ms, and no session more would make it less.
  EXPECT_GE(Clock::now() - start, std::chrono::milliseconds(290));
  hostile.set("");
  backend->remove(key.object);
}

TEST(Pkcs11Parallel, SessionsThatAreLostUnderManyThreadsAreHealed) {
  const Hostile hostile;
  const auto backend = Hostile::open(Hostile::kPin, 6);
  const DeviceKey key = backend->create(KeyType::ec_p256);
  const int logins = Hostile::calls("Login");
  std::atomic<bool> stop = false;
  std::array<std::atomic<int>, 6> good{};
  std::atomic<int> bad = 0;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < good.size(); ++i)
    threads.emplace_back([&, i] {
      const Sha256 digest = sha256(std::to_string(i));
      while (!stop) {
        const Bytes signature = backend->sign(key.object, Algorithm::es256, digest);
        ++(verifies(key.public_key, digest, signature) ? good.at(i) : bad);
      }
    });
  for (int round = 1; round <= 20; ++round) {
    hostile.set("round=" + std::to_string(round) + " Sign=rv:0xB3*1");
    std::array<int, 6> before{};
    std::copy(good.begin(), good.end(), before.begin());
    // Two of each thread: no call is met by two rounds' faults, of which it heals one.
    for (std::size_t i = 0; i < good.size(); ++i)
      while (good.at(i) < before.at(i) + 2 && bad == 0) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  EXPECT_LE(Hostile::calls("Login"), logins + 20);
  hostile.set("");
  backend->remove(key.object);
}

TEST(Pkcs11Parallel, ATokenWithOneSessionWorksAndStaysLoggedIn) {
  const Hostile hostile;
  hostile.set("sessions=1");
  const auto backend = Hostile::open();
  EXPECT_EQ(backend->describe().parallel, 1U);
  const DeviceKey key = backend->create(KeyType::ec_p256);
  const Sha256 digest = sha256("one");
  for (const char* const fault : {"", "SignInit=rv:0x101*1", "Sign=rv:0xB3*1"}) {
    hostile.set(std::string("sessions=1 ") + fault);
    EXPECT_TRUE(
        verifies(key.public_key, digest, backend->sign(key.object, Algorithm::es256, digest)));
  }
  hostile.set("sessions=1 Sign=rv:0x20*1");
  EXPECT_TRUE(throws_kind(ErrorKind::invalid_request,
                          [&] { backend->sign(key.object, Algorithm::es256, digest); }));
  EXPECT_TRUE(
      verifies(key.public_key, digest, backend->sign(key.object, Algorithm::es256, digest)));
  hostile.set("sessions=1");
  backend->remove(key.object);
}

}  // namespace
}  // namespace holdfast::test
