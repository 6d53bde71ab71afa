// The core's questions about processes, with a process of our own at the other end.
#include <poll.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <thread>

#include "daemon/identity/observer.h"
#include "daemon/identity/processes.h"
#include "tests/unit/identity_support.h"

namespace holdfast::identity {
namespace {

namespace asio = boost::asio;

UniqueFd pidfd_of(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

struct Pair {
  Pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    ours = UniqueFd(ends[0]);
    theirs = UniqueFd(ends[1]);
  }
  UniqueFd ours, theirs;
};

bool readable(int fd, int milliseconds) {
  pollfd ready{fd, POLLIN, 0};
  return ::poll(&ready, 1, milliseconds) == 1;
}

TEST(Pidfd, StandsForItsProcessUntilThatHasEnded) {
  Leash leash;
  const pid_t child = fork_to([&] {
    leash.wait();
    return 0;
  });
  const UniqueFd fd = pidfd_of(child);
  EXPECT_EQ(pid_of(fd.get()), child);
  leash.release();
  EXPECT_EQ(exit_code(child), 0);
  EXPECT_LE(pid_of(fd.get()), 0);
  EXPECT_LE(pid_of(-1), 0);
}

TEST(Question, ThatIsNoneIsRefused) {
  const Pair pair;
  const auto refused = [&](std::string_view text) {
    EXPECT_EQ(::send(pair.ours.get(), text.data(), text.size(), 0),
              static_cast<ssize_t>(text.size()));
    return !receive_question(pair.theirs.get());
  };
  EXPECT_TRUE(refused("12345678")) << "no descriptor";
  EXPECT_TRUE(refused("1"));
  EXPECT_TRUE(refused(std::string(5000, 'x')));
  const auto long_answer = std::string(60'000, 'x');
  ::send(pair.theirs.get(), long_answer.data(), long_answer.size(), 0);
  EXPECT_FALSE(receive_answer(pair.ours.get())) << "cut short";
}

void fail_overdue() {
  ADD_FAILURE() << "overdue";
}

TEST(Processes, AnswerEachItsOwnInAnyNumber) {
  asio::io_context loop;
  auto processes = Processes::make(loop, fail_overdue);
  Pair pair;
  processes->attach(std::move(pair.ours));
  std::thread other([&] {
    for (int i = 0; i < 200; ++i) {
      const auto question = receive_question(pair.theirs.get());
      if (!question || pid_of(question->pidfd.get()) != ::getpid()) return;
      send_answer(pair.theirs.get(),
                  {question->id, {.exe = "/program/" + std::to_string(i), .cgroup = "0::/\n"}});
    }
  });
  const UniqueFd self = pidfd_of(::getpid());
  std::vector<std::future<std::optional<Process>>> answers;
  for (int i = 0; i < 200; ++i)
    answers.push_back(asio::co_spawn(loop, processes->of(self.get(), false), asio::use_future));
  loop.run_for(std::chrono::seconds(10));
  other.join();
  for (int i = 0; i < 200; ++i) {
    const auto process = answers[i].get();
    ASSERT_TRUE(process);
    EXPECT_EQ(process->exe, "/program/" + std::to_string(i));
    EXPECT_EQ(process->cgroup, "0::/\n");
  }
}

TEST(Processes, AreUnknownWhileNobodyAnswersAndAskedAgainOfASuccessor) {
  asio::io_context loop;
  auto processes = Processes::make(loop, fail_overdue);
  EXPECT_NE(processes->gap(), "");
  const UniqueFd self = pidfd_of(::getpid());
  auto early = asio::co_spawn(loop, processes->of(self.get(), false), asio::use_future);
  loop.run_for(std::chrono::milliseconds(50));
  Pair dead;
  processes->attach(std::move(dead.ours));
  EXPECT_TRUE(readable(dead.theirs.get(), 1000)) << "asked before it was there";
  dead.theirs.reset();
  loop.run_for(std::chrono::milliseconds(50));
  EXPECT_NE(processes->gap(), "");
  Pair next;
  ASSERT_TRUE(send_answer(next.theirs.get(), {kGapId, {.exe = "hidden"}}));
  processes->attach(std::move(next.ours));
  const auto question = receive_question(next.theirs.get());
  ASSERT_TRUE(question);
  EXPECT_TRUE(send_answer(next.theirs.get(), {question->id, {.exe = "/usr/bin/x"}}));
  loop.restart();
  loop.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(processes->gap(), "hidden");
  const auto found = early.get();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->exe, "/usr/bin/x");

  auto silent = asio::co_spawn(loop, processes->of(self.get(), false), asio::use_future);
  loop.restart();
  loop.run_for(std::chrono::milliseconds(1500));
  EXPECT_FALSE(silent.get());
}

TEST(Processes, AreReplacedThatSayWhatIsNoAnswer) {
  asio::io_context loop;
  int overdue = 0;
  auto processes = Processes::make(loop, [&] { ++overdue; });
  Pair pair;
  processes->attach(std::move(pair.ours));
  ASSERT_EQ(::send(pair.theirs.get(), "1", 1, 0), 1);
  loop.run_for(std::chrono::milliseconds(200));
  EXPECT_EQ(overdue, 1);
  EXPECT_TRUE(is_closed(pair.theirs.get()));
  EXPECT_NE(processes->gap(), "");
}

TEST(Processes, AreReplacedThatHang) {
  asio::io_context loop;
  int overdue = 0;
  auto processes = Processes::make(loop, [&] { ++overdue; });
  Pair pair;
  processes->attach(std::move(pair.ours));
  const UniqueFd self = pidfd_of(::getpid());
  for (int second = 0; second < 5; ++second) {
    EXPECT_EQ(overdue, 0) << second;
    auto silent = asio::co_spawn(loop, processes->of(self.get(), false), asio::use_future);
    loop.restart();
    loop.run_for(std::chrono::milliseconds(1050));
    EXPECT_FALSE(silent.get());
  }
  EXPECT_EQ(overdue, 1);
}

}  // namespace
}  // namespace holdfast::identity
