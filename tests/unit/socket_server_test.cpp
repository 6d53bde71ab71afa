// Deadlines, caps and stopping.
#include <sys/resource.h>

#include "tests/unit/socket_support.h"

namespace holdfast::socket {
namespace {

Limits quick() {
  Limits limits;
  limits.request_deadline = 500ms;
  limits.idle = 1500ms;  // a busy machine's client has to have asked by then
  return limits;
}

template <class F>
bool eventually(F condition) {
  for (const auto end = std::chrono::steady_clock::now() + 20s;
       std::chrono::steady_clock::now() < end;)
    if (condition())
      return true;
    else
      std::this_thread::yield();
  return false;
}

TEST(Deadline, OfASlowHeaderIsAnsweredWithTimeout) {
  TestServer server(quick());
  const UniqueFd fd = server.connect();
  const auto start = std::chrono::steady_clock::now();
  const Reply reply = ask(fd.get(), "GET /a HTT");
  EXPECT_EQ(reply.status, 408u);
  EXPECT_EQ(reply.code(), "timeout");
  EXPECT_GE(std::chrono::steady_clock::now() - start, quick().request_deadline);
}

TEST(Deadline, OfASlowBodyIsAnsweredWithTimeout) {
  TestServer server(quick());
  const Reply reply =
      ask(server.connect().get(), "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc");
  EXPECT_EQ(reply.status, 408u);
  EXPECT_EQ(reply.code(), "timeout");
}

TEST(Deadline, IsNotMovedByDribbling) {
  TestServer server(quick());
  const UniqueFd fd = server.connect();
  const auto start = std::chrono::steady_clock::now();
  std::atomic<bool> done = false;
  std::thread dribble([&] {
    send_all(fd.get(), "GET /");
    pollfd nothing{-1, 0, 0};
    while (!done && send_all(fd.get(), "a")) ::poll(&nothing, 1, 10);  // the pace is what is tested
  });
  EXPECT_EQ(Reader(fd.get()).next().status, 408u);
  done = true;
  dribble.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(Deadline, OfAnIdleConnectionClosesItWithoutAWord) {
  TestServer server(quick());
  const UniqueFd silent = server.connect();
  const UniqueFd used = server.connect();
  Reader reader(used.get());
  send_all(used.get(), kGet);
  EXPECT_EQ(reader.next().status, 200u);
  EXPECT_TRUE(reader.at_end());
  EXPECT_TRUE(Reader(silent.get()).at_end());
}

TEST(Deadline, DoesNotRunWhileARequestIsAnswered) {
  TestServer server(quick());
  const UniqueFd fd = server.connect();
  send_all(fd.get(), "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(Reader(server.connect().get()).at_end()) << "one idle time, by another connection";
  server.open_gate();
  EXPECT_EQ(Reader(fd.get()).next().status, 200u);
}

TEST(Deadline, OfAClientThatDoesNotReadClosesItsConnection) {
  TestServer server(quick());
  const UniqueFd fd = server.connect();
  send_all(fd.get(), "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.connections() == 1; }));
  EXPECT_TRUE(eventually([&] { return server.connections() == 0; }));
}

TEST(Reply, LargerThanTheSocketsBufferArrivesWhole) {
  TestServer server;
  const Reply reply = ask(server.connect().get(), "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(reply.body, std::string(3 * 1024 * 1024, 'x'));
}

TEST(Cap, OverAllConnectionsIsAnsweredWithOverloaded) {
  Limits limits;
  limits.connections = 3;
  TestServer server(limits);
  std::vector<UniqueFd> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(server.connect());
    EXPECT_EQ(ask(held.back().get(), kGet).status, 200u);
  }
  const UniqueFd fd = server.connect();
  Reader reader(fd.get());
  send_all(fd.get(), kGet);
  const Reply reply = reader.next();
  EXPECT_EQ(reply.status, 503u);
  EXPECT_EQ(reply.code(), "overloaded");
  EXPECT_EQ(reply.field("Retry-After"), "1");
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(ask(held[0].get(), kGet).status, 200u);
  held.pop_back();
  EXPECT_TRUE(eventually([&] { return ask(server.connect().get(), kGet).status == 200; }));
}

TEST(Cap, OverOneUidLeavesOthersAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  Limits limits;
  limits.connections_per_user = 2;
  TestServer server(limits);
  std::vector<UniqueFd> held;
  for (int i = 0; i < 2; ++i) {
    held.push_back(server.connect());
    EXPECT_EQ(ask(held.back().get(), kGet).status, 200u);
  }
  EXPECT_EQ(ask(server.connect().get(), kGet).status, 503u);
  EXPECT_EQ(exit_code(fork_to([&] {
              if (::setresuid(1001, 1001, 1001) != 0) return 2;
              return ask(server.connect().get(), kGet).status == 200 ? 0 : 1;
            })),
            0);
}

TEST(Cap, HoldsAgainstAFloodOfConnections) {
  Limits limits;
  limits.connections = 10;
  TestServer server(limits);
  std::vector<UniqueFd> flood;
  for (int i = 0; i < 300; ++i) flood.push_back(server.connect());
  EXPECT_TRUE(eventually([&] { return server.connections() == 10; }));
  flood.clear();
  EXPECT_TRUE(eventually([&] { return server.connections() == 0; }));
  EXPECT_TRUE(eventually([&] { return ask(server.connect().get(), kGet).status == 200; }));
}

TEST(Budget, OfUnreadBytesIsAnsweredWithOverloaded) {
  Limits limits;
  limits.buffered_bytes = 100'000;
  TestServer server(limits);
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n";
  const UniqueFd first = server.connect();
  send_all(first.get(), head + std::string(59'999, 'x'));
  unsigned status = 0;
  EXPECT_TRUE(eventually([&] {
    status = ask(server.connect().get(), head + std::string(60'000, 'y')).status;
    return status == 503;
  }));
  Reader reader(first.get());
  send_all(first.get(), "x");
  EXPECT_EQ(reader.next().status, 200u);
  EXPECT_EQ(ask(server.connect().get(), head + std::string(60'000, 'y')).status, 200u);
}

// Each has a quarter of 16 MiB, and a reply that nobody reads takes three.
TEST(Budget, OfRepliesThatAreNotReadIsAnsweredWithOverloaded) {
  TestServer server;
  const std::string request = "GET /big HTTP/1.1\r\nHost: h\r\n\r\n";
  const UniqueFd first = server.connect();
  send_all(first.get(), request);
  const UniqueFd second = server.connect();
  unsigned status = 0;
  EXPECT_TRUE(eventually([&] {
    Reader reader(second.get());
    send_all(second.get(), request);
    status = reader.next().status;
    return status == 503;
  })) << status;
  EXPECT_EQ(ask(second.get(), kGet).status, 200u) << "a small one has room";
  Reader reader(first.get());
  EXPECT_EQ(reader.next().status, 200u);
  EXPECT_EQ(ask(second.get(), request).status, 200u);
}

TEST(Accept, ThatThrowsIsTheOnlyAnswer) {
  TestServer server({}, [](int) -> std::unique_ptr<Session> {
    throw Error(ErrorKind::not_permitted, "the process that connected has ended");
  });
  const UniqueFd fd = server.connect();
  Reader reader(fd.get());
  send_all(fd.get(), kGet + kGet);
  const Reply reply = reader.next();
  EXPECT_EQ(reply.status, 403u);
  EXPECT_EQ(reply.code(), "not_permitted");
  EXPECT_TRUE(reader.at_end());
}

TEST(Accept, OutlivesALackOfDescriptors) {
  const int code = exit_code(fork_to([] {
    TestServer server;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }
    const rlimit none{static_cast<rlim_t>(clients.back().get()) + 1, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    server.path().copy(address.sun_path, sizeof address.sun_path - 1);
    for (const UniqueFd& fd : clients)
      if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
          !send_all(fd.get(), kGet))
        return 1;
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    pollfd nothing{-1, 0, 0};
    ::poll(&nothing, 1, 500);  // time in which accept could spin
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    const auto used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
                       before.ru_stime.tv_sec) *
                          1'000'000 +
                      after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
                      before.ru_stime.tv_usec;
    if (used > 200'000) return 2;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    for (const UniqueFd& fd : clients)
      if (Reader(fd.get()).next().status != 200) return 3;
    return 0;
  }));
  EXPECT_EQ(code, 0);
}

TEST(Stop, AnswersWhatIsUnderWayAndClosesTheRest) {
  TestServer server;
  const UniqueFd idle = server.connect();
  EXPECT_EQ(ask(idle.get(), kGet).status, 200u);
  const UniqueFd half = server.connect();
  send_all(half.get(), "GET /");
  const UniqueFd busy = server.connect();
  send_all(busy.get(), "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n" + kGet);
  EXPECT_TRUE(eventually([&] { return server.connections() == 3; }));
  ask(server.connect().get(), kGet);  // a turn of the loop after the others' bytes
  auto stopped = server.stop();
  EXPECT_TRUE(Reader(idle.get()).at_end());
  const Reply refused = Reader(half.get()).next();
  EXPECT_EQ(refused.code(), "overloaded");
  EXPECT_EQ(stopped.wait_for(0s), std::future_status::timeout);
  server.open_gate();
  Reader reader(busy.get());
  const Reply last = reader.next();
  EXPECT_EQ(last.status, 200u);
  EXPECT_EQ(last.field("Connection"), "close");
  EXPECT_EQ(reader.next().status, 0u);
  EXPECT_EQ(stopped.wait_for(20s), std::future_status::ready);
  UniqueFd late(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  server.path().copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_NE(::connect(late.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
}

TEST(Stop, OfAnUnusedServerReturnsAtOnce) {
  TestServer server;
  EXPECT_EQ(server.stop().wait_for(20s), std::future_status::ready);
}

TEST(Server, MayBeDestroyedWhileARequestIsAnswered) {
  TestServer server;
  const UniqueFd busy = server.connect();
  const UniqueFd idle = server.connect();
  send_all(busy.get(), "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.connections() == 2; }));
  server.destroy();
  EXPECT_TRUE(Reader(idle.get()).at_end());
  server.open_gate();
  EXPECT_EQ(Reader(busy.get()).next().status, 200u);
}

TEST(Server, MayGoWithItsLoopWhileARequestIsAnswered) {
  TestServer server;
  const UniqueFd busy = server.connect();
  send_all(busy.get(), "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(eventually([&] { return server.connections() == 1; }));
}

// One connection that never lets the loop wait must not starve another.
TEST(Server, GivesOthersTheirTurn) {
  TestServer server;
  const UniqueFd greedy = server.connect();
  std::atomic<bool> done = false;
  std::thread flood([&] {
    std::string many;
    for (int i = 0; i < 200; ++i) many += kGet;
    while (!done && send_all(greedy.get(), many)) {
    }
  });
  std::thread drain([&] {
    char part[65536];
    while (::recv(greedy.get(), part, sizeof part, 0) > 0) {
    }
  });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask(server.connect().get(), kGet).status, 200u);
  done = true;
  flood.join();
  ::shutdown(greedy.get(), SHUT_RDWR);
  drain.join();
}

}  // namespace
}  // namespace holdfast::socket
