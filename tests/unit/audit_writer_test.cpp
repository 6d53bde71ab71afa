#include "daemon/audit/writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>

#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;
using testing::HasSubstr;

// Writes and fsyncs wait while it is closed.
class Gate : public FaultyFiles {
 public:
  ssize_t write(int fd, const char* data, std::size_t size) override {
    pass();
    return FaultyFiles::write(fd, data, size);
  }
  int sync(int fd) override {
    pass();
    return FaultyFiles::sync(fd);
  }
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open_again() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

class AuditWriter : public testing::Test {
 protected:
  // The loop runs until `step` has ended.
  void on_loop(const std::function<asio::awaitable<void>()>& step) {
    std::exception_ptr thrown;
    asio::co_spawn(loop_.context(), step(), [&](std::exception_ptr error) {
      thrown = error;
      loop_.context().stop();
    });
    loop_.run();
    if (thrown) std::rethrow_exception(thrown);
  }
  void make(bool fsync, std::chrono::milliseconds patience, Files& files = system_files()) {
    writer_.reset();
    writer_ = Writer::make(loop_, folder_.log(), fsync, patience, files);
  }
  std::uint64_t write(Record record) {
    std::uint64_t seq = 0;
    on_loop([&]() -> asio::awaitable<void> { seq = co_await writer_->write(std::move(record)); });
    return seq;
  }
  // Many requests at once, from the same turn of the loop.
  void write_at_once(std::uint64_t count, std::vector<std::uint64_t>& written,
                     std::vector<std::string>& refused) {
    for (std::uint64_t i = 0; i < count; ++i)
      asio::co_spawn(
          loop_.context(),
          [this, i, &written, &refused]() -> asio::awaitable<void> {
            try {
              written.push_back(co_await writer_->write(sample(i)));
            } catch (const Error& error) {
              EXPECT_EQ(error.kind(), ErrorKind::audit_unavailable);
              refused.push_back(error.what());
            }
          },
          asio::detached);
    loop_.run();
  }
  // A disk that is well again is used again; the daemon asks no earlier than after a second.
  std::uint64_t write_when_possible() {
    const auto end = Steady::now() + 30s;
    for (;;) {
      try {
        return write(sample(0));
      } catch (const Error&) {
        if (Steady::now() > end) throw;
        std::this_thread::yield();
      }
    }
  }

  TempFolder folder_;
  Loop loop_{10ms};
  std::unique_ptr<Writer> writer_;
};

TEST_F(AuditWriter, GivesTheSequenceNumberOfAWrittenRecord) {
  for (const bool fsync : {false, true}) {
    make(fsync, 5s);
    const std::uint64_t from = writer_->size();
    for (std::uint64_t i = 0; i < 20; ++i) {
      EXPECT_EQ(write(sample(i)), from + i);
      EXPECT_EQ(lines_of(contents(leaves_file(folder_.log()))).size(), from + i + 1);
      EXPECT_EQ(writer_->size(), from + i + 1);
    }
    EXPECT_EQ(writer_->failure(), "");
    writer_->stop();
    EXPECT_EQ(parse_head(contents(folder_.log() + "/head"))->size, from + 20);
  }
  EXPECT_TRUE(verify(folder_.log()).good);
}

TEST_F(AuditWriter, WritesWhatWaitsAsOneGroup) {
  Gate gate;
  make(true, 5s, gate);
  gate.close();
  std::vector<std::uint64_t> written;
  std::vector<std::string> refused;
  const int syncs = gate.syncs;
  asio::post(loop_.context(), [&] {  // after the coroutines have started: all have submitted
    asio::post(loop_.context(), [&] { gate.open_again(); });
  });
  write_at_once(2000, written, refused);
  EXPECT_TRUE(refused.empty());
  ASSERT_EQ(written.size(), 2000U);
  for (std::uint64_t i = 0; i < written.size(); ++i) EXPECT_EQ(written[i], i);
  EXPECT_LT(gate.syncs - syncs, 100);
  writer_->stop();
  EXPECT_TRUE(verify(folder_.log()).good);
}

// Threat row 8: a bounded refusal instead of a hang, and the record is harmless if it comes later.
TEST_F(AuditWriter, RefusesWithinItsPatienceWhenTheDiskStalls) {
  Gate gate;
  make(false, 1500ms, gate);
  EXPECT_EQ(write(sample(0)), 0U);
  gate.close();
  const auto start = Steady::now();
  EXPECT_THAT(refusal_of([&] { write(sample(1)); }), HasSubstr("did not answer within 1500 ms"));
  EXPECT_GE(Steady::now() - start, 1500ms);
  EXPECT_LT(Steady::now() - start, 20s);
  // Known to be stalled: no second wait.
  const auto again = Steady::now();
  EXPECT_THAT(refusal_of([&] { write(sample(2)); }), HasSubstr("did not answer within 1500 ms"));
  EXPECT_LT(Steady::now() - again, 1400ms);
  EXPECT_THAT(writer_->failure(), HasSubstr("did not answer within 1500 ms"));
  gate.open_again();
  // The one that was refused late was written, the one refused at once was not.
  EXPECT_EQ(write_when_possible(), 2U);
  EXPECT_EQ(writer_->failure(), "");
  writer_->stop();
  EXPECT_EQ(verify(folder_.log()).state.size, 3U);
}

TEST_F(AuditWriter, WaitsForAStalledDiskWhereItIsToldTo) {
  Gate gate;
  make(false, 50ms, gate);
  gate.close();
  std::optional<std::uint64_t> written;
  asio::co_spawn(
      loop_.context(),
      [&]() -> asio::awaitable<void> { written = co_await writer_->write(sample(0), true); },
      asio::detached);
  on_loop([&]() -> asio::awaitable<void> {
    asio::steady_timer look(loop_.context());
    while (writer_->failure().empty()) {  // until it counts as stalled
      look.expires_after(10ms);
      co_await look.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_FALSE(written);
  gate.open_again();
  loop_.run();
  EXPECT_EQ(written, 0U);
  writer_->stop();
}

TEST_F(AuditWriter, RefusesAtOnceWhenTooManyWait) {
  Gate gate;
  make(false, 10s, gate);
  gate.close();
  std::vector<std::uint64_t> written;
  std::vector<std::string> refused;
  asio::post(loop_.context(), [&] { asio::post(loop_.context(), [&] { gate.open_again(); }); });
  write_at_once(9000, written, refused);
  EXPECT_EQ(written.size(), 8192U);
  EXPECT_EQ(refused.size(), 9000U - 8192U);
  writer_->stop();
  EXPECT_EQ(verify(folder_.log()).state.size, 8192U);
}

TEST_F(AuditWriter, OpensTheLogAgainASecondAfterAFailedWrite) {
  FaultyFiles files;
  make(false, 5s, files);
  EXPECT_EQ(write(sample(0)), 0U);
  std::atomic<int> code = ENOSPC;
  writer_->stop();
  files.before = [&](int, std::string_view name) { return name == "write" ? code.load() : 0; };
  code = 0;
  make(false, 5s, files);
  EXPECT_EQ(write(sample(1)), 1U);
  code = ENOSPC;
  const auto failed = Steady::now();
  EXPECT_THAT(refusal_of([&] { write(sample(2)); }), HasSubstr("make room"));
  EXPECT_THAT(writer_->failure(), HasSubstr("make room"));
  code = 0;
  EXPECT_THAT(refusal_of([&] { write(sample(2)); }), HasSubstr("make room"));
  EXPECT_EQ(write_when_possible(), 2U);
  EXPECT_GE(Steady::now() - failed, 1s);
  EXPECT_EQ(writer_->failure(), "");
  writer_->stop();
  EXPECT_TRUE(verify(folder_.log()).good);
}

TEST_F(AuditWriter, OpensTheLogAgainThoughNobodyAsks) {
  FaultyFiles files;
  std::atomic<int> code = 0;
  files.before = [&](int, std::string_view name) { return name == "write" ? code.load() : 0; };
  make(false, 5s, files);
  code = ENOSPC;
  EXPECT_THAT(refusal_of([&] { write(sample(0)); }), HasSubstr("make room"));
  code = 0;
  on_loop([&]() -> asio::awaitable<void> {
    asio::steady_timer look(loop_.context());
    for (const auto end = Steady::now() + 30s;
         !writer_->failure().empty() && Steady::now() < end;) {
      look.expires_after(10ms);
      co_await look.async_wait(asio::use_awaitable);
    }
  });
  EXPECT_EQ(writer_->failure(), "");
  EXPECT_EQ(write(sample(0)), 0U);
  writer_->stop();
}

// Threat row 9.
TEST_F(AuditWriter, GoesOnAfterAFailedFsyncOnlyInNewFiles) {
  FaultyFiles files;
  std::atomic<bool> broken = false;
  files.before = [&](int, std::string_view name) { return broken && name == "sync" ? EIO : 0; };
  make(true, 5s, files);
  EXPECT_EQ(write(sample(0)), 0U);
  struct stat before {};
  ASSERT_EQ(::stat(leaves_file(folder_.log()).c_str(), &before), 0);
  const UniqueFd kept(::open(leaves_file(folder_.log()).c_str(), O_RDONLY));
  broken = true;
  EXPECT_THAT(refusal_of([&] { write(sample(1)); }), HasSubstr("check the disk"));
  EXPECT_THAT(refusal_of([&] { write(sample(1)); }), HasSubstr("check the disk"));
  EXPECT_THAT(writer_->failure(), HasSubstr("check the disk"));
  broken = false;
  EXPECT_EQ(write_when_possible(), 2U) << "the one that was refused was rewritten and counts";
  struct stat after {};
  ASSERT_EQ(::stat(leaves_file(folder_.log()).c_str(), &after), 0);
  EXPECT_NE(before.st_ino, after.st_ino);
  EXPECT_EQ(writer_->failure(), "");
  writer_->stop();
  EXPECT_TRUE(verify(folder_.log()).good);
}

TEST_F(AuditWriter, WritesNothingAfterAnFsyncThatFailedWhenItStarted) {
  {
    const auto log = Log::open(folder_.log(), false);
    log->append(samples(0, 3));
  }
  FaultyFiles files;
  std::atomic<bool> broken = true;
  files.before = [&](int, std::string_view name) { return broken && name == "sync" ? EIO : 0; };
  make(true, 5s, files);
  broken = false;
  EXPECT_THAT(refusal_of([&] { write(sample(1)); }), HasSubstr("restart the service"));
  writer_->stop();
  make(true, 5s);  // the restart verifies what is there and goes on
  EXPECT_EQ(write(sample(1)), 3U);
  writer_->stop();
}

TEST_F(AuditWriter, SaysWhenRoomIsForSignaturesAlone) {
  struct Small : FaultyFiles {
    std::atomic<std::uint64_t> room = 1 << 30;
    std::uint64_t free_bytes(const char*) override { return room; }
  } files;
  make(false, 5s, files);
  EXPECT_EQ(write(sample(0)), 0U);
  EXPECT_FALSE(writer_->is_scarce());
  files.room = 1 << 20;
  const auto end = Steady::now() + 30s;
  for (std::uint64_t i = 1; !writer_->is_scarce() && Steady::now() < end; ++i)
    EXPECT_EQ(write(sample(i)), i);
  EXPECT_TRUE(writer_->is_scarce());
  writer_->stop();
}

TEST_F(AuditWriter, PublishesCheckpointsOfWhatIsDurable) {
  make(false, 5s);
  EXPECT_EQ(write(sample(0)), 0U);
  on_loop([&]() -> asio::awaitable<void> {
    const LogState state = co_await writer_->durable_state();
    EXPECT_EQ(state.size, 1U);
    EXPECT_EQ(parse_head(contents(folder_.log() + "/head"))->root, state.root);
    co_await writer_->publish(1, "a note\n");
  });
  EXPECT_EQ(contents(folder_.log() + "/checkpoint"), "a note\n");
  EXPECT_EQ(contents(folder_.log() + "/checkpoints/000000000001"), "a note\n");
  writer_->stop();
}

TEST_F(AuditWriter, SaysWhyALogCanNotBeOpened) {
  make_log(folder_.log(), 5);
  overwrite(leaves_file(folder_.log()), "rubbish\n");
  make(false, 5s);
  EXPECT_THAT(writer_->failure(), HasSubstr("damaged"));
  EXPECT_THAT(refusal_of([&] { write(sample(0)); }), HasSubstr("damaged"));
  writer_->stop();
  EXPECT_EQ(contents(leaves_file(folder_.log())), "rubbish\n");
}

TEST_F(AuditWriter, RunsOtherWorkOffTheLoop) {
  make(false, 5s);
  std::thread::id where;
  std::string why;
  on_loop([&]() -> asio::awaitable<void> {
    co_await writer_->run([&] { where = std::this_thread::get_id(); });
    EXPECT_EQ(co_await writer_->write(sample(0)), 0U);
    try {
      co_await writer_->run([] { throw Error(ErrorKind::conflict, "exists"); });
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::conflict);
      why = error.what();
    }
  });
  EXPECT_EQ(why, "exists");
  EXPECT_NE(where, std::thread::id());
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST_F(AuditWriter, WritesWhatWaitsBeforeItStops) {
  make(true, 5s);  // so that the worker has them
  std::uint64_t ended = 0;
  bool ran = false;
  for (int i = 0; i < 50; ++i)
    asio::co_spawn(
        loop_.context(),
        [&]() -> asio::awaitable<void> {
          co_await writer_->write(sample(0));
          ++ended;
        },
        asio::detached);
  asio::co_spawn(
      loop_.context(),
      [&]() -> asio::awaitable<void> { co_await writer_->run([&] { ran = true; }); },
      asio::detached);
  loop_.context().poll();
  writer_->stop();
  EXPECT_EQ(lines_of(contents(leaves_file(folder_.log()))).size(), 50U);
  EXPECT_EQ(parse_head(contents(folder_.log() + "/head"))->size, 50U);
  EXPECT_TRUE(ran);
  loop_.run();
  EXPECT_EQ(ended, 50U);
  EXPECT_THAT(refusal_of([&] { write(sample(0)); }), HasSubstr("being stopped"));
}

TEST_F(AuditWriter, GivesUpADeadDiskWhenItStops) {
  static Gate& gate =
      *new Gate;  // the worker that is left behind outlives the test's other objects
  make(true, 100ms, gate);
  gate.close();
  std::string why;
  asio::co_spawn(
      loop_.context(),
      [&]() -> asio::awaitable<void> {
        try {
          co_await writer_->write(sample(0));
        } catch (const Error& error) {
          why = error.what();
        }
      },
      asio::detached);
  loop_.context().poll();
  const auto start = Steady::now();
  writer_->stop();
  EXPECT_LT(Steady::now() - start, 10s);
  loop_.run();
  EXPECT_THAT(why, HasSubstr("did not answer"));
  gate.open_again();
  // It closes the log when the disk is back: the successor can open it.
  std::unique_ptr<Log> successor;
  for (int tries = 0; tries < 10 && !successor; ++tries)
    refusal_of([&] { successor = Log::open(folder_.log(), false); });
  EXPECT_TRUE(successor);
}

}  // namespace
}  // namespace holdfast::audit
