#include "daemon/audit/writer.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <deque>
#include <exception>
#include <optional>

#include "daemon/audit/resume.h"
#include "daemon/audit/worker.h"
#include "daemon/base/log.h"

namespace holdfast::audit {
namespace {

namespace asio = boost::asio;
using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMaxRecords = 8192, kMaxWorks = 256;
constexpr milliseconds kStopPatience{5000};

using ResumeWrite = Resume<std::uint64_t>;
using ResumeRun = Resume<>;

Error unavailable(const std::string& detail) {
  return Error(ErrorKind::audit_unavailable, detail);
}

class DiskWriter final : public Writer {
 public:
  DiskWriter(Loop& loop, const std::string& folder, bool fsync, milliseconds patience, Files& files,
             std::shared_ptr<Mirror> mirror)
      : loop_(loop),
        patience_(patience),
        tick_every_(std::clamp(patience / 4, milliseconds(1), milliseconds(100))),
        tick_(loop.context()),
        worker_(folder, fsync, files, std::move(mirror), reports()) {
    take(worker_.open());
    worker_.start();
  }

  ~DiskWriter() override { stop(); }

  asio::awaitable<std::uint64_t> write(Record record, bool patient) override {
    const auto now = Steady::now();
    if (stopped_) throw unavailable("the daemon is being stopped");
    if (!failure_.empty() && (for_good_ || now < reopen_at_)) throw unavailable(failure_);
    if (stalled(now) || waiting_.size() >= kMaxRecords) throw unavailable(stall_text());
    co_return co_await ResumeWrite::wait([&](std::unique_ptr<ResumeWrite> resume) {
      waiting_.push_back({now, std::move(resume), patient});
      unsent_.push_back(std::move(record));
      if (unsent_.size() == 1) send_soon();
      start_tick();
    });
  }

  asio::awaitable<void> run(std::function<void()> work) override {
    if (stopped_ || works_.size() >= kMaxWorks)
      throw Error(ErrorKind::overloaded, "too much waits for the disk");
    co_await ResumeRun::wait([&](std::unique_ptr<ResumeRun> resume) {
      works_.push_back(std::move(resume));
      worker_.submit(std::move(work));
      start_tick();
    });
  }

  std::string failure() const override {
    return failure_.empty() && stalled(Steady::now()) ? stall_text() : failure_;
  }

  bool is_scarce() const override {
    return waiting_.size() >= kMaxRecords / 2 || worker_.is_scarce();
  }

  std::uint64_t size() const override { return size_; }

  asio::awaitable<LogState> state() override {
    LogState state;
    std::function<void()> look = [&] { state = worker_.state(); };
    co_await run(std::move(look));
    co_return state;
  }

  asio::awaitable<LogState> durable_state() override {
    LogState state;
    std::function<void()> look = [&] { state = worker_.durable_state(); };
    co_await run(std::move(look));
    co_return state;
  }

  asio::awaitable<void> publish(std::uint64_t size, std::string note) override {
    std::function<void()> store = [&] { worker_.publish(size, note); };
    co_await run(std::move(store));
  }

  void stop() override {
    if (std::exchange(stopped_, true)) return;
    tick_.cancel();
    submit();
    if (worker_.stop(std::max(patience_, kStopPatience))) return;
    log::error("audit_stop_gave_up",
               {{"reason", stall_text()}, {"records", std::to_string(waiting_.size())}});
    failure_ = stall_text();
    for_good_ = true;
    asio::post(loop_.context(), [this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      for (Waiting& one : std::exchange(waiting_, {})) refuse(one);
      for (auto& one : std::exchange(works_, {}))
        (*one)(std::make_exception_ptr(unavailable(failure_)));
    });
  }

 private:
  struct Waiting {
    Steady::time_point since;
    std::unique_ptr<ResumeWrite> resume;  // null once it was refused; its record is still under way
    bool patient = false;
  };

  struct Group {
    std::vector<Record> records;
    Outcome outcome;
  };

  Worker::Reports reports() {
    const auto to_loop = [this](auto step) {
      asio::post(loop_.context(),
                 [alive = std::weak_ptr(alive_), step = std::move(step)]() mutable {
                   if (!alive.expired()) step();
                 });
    };
    return {[this, to_loop](Outcome outcome) {
              to_loop([this, outcome = std::move(outcome)]() mutable { take(std::move(outcome)); });
            },
            [this, to_loop](std::exception_ptr error) {
              to_loop([this, error = std::move(error)]() mutable { take_work(std::move(error)); });
            }};
  }

  // After the requests that are ready to be read now: a group costs little more than one record.
  void send_soon() {
    asio::post(loop_.context(), [this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) send();
    });
  }

  // Here, if the disk is free and nothing is under way that was submitted before; else by the worker.
  void send() {
    if (unsent_.empty() || waiting_.size() != unsent_.size()) return submit();
    std::optional<Worker::Turn> turn = worker_.take_turn();
    if (!turn) return submit();
    auto group = std::make_shared<Group>();
    group->records.swap(unsent_);
    loop_.block([turn = std::move(*turn),
                 group]() mutable { group->outcome = turn.append(group->records); },
                [this, alive = std::weak_ptr(alive_), group] {
                  if (alive.expired()) return;
                  group->records.clear();
                  if (unsent_.empty()) unsent_.swap(group->records);  // for its memory
                  take(std::move(group->outcome));
                });
  }

  void submit() {
    if (!unsent_.empty()) worker_.submit(std::exchange(unsent_, {}));
  }

  void take(Outcome outcome) {
    if (outcome.failure.empty())
      size_ = outcome.size;
    else
      reopen_at_ = Steady::now() + kReopenAfter;
    failure_ = std::move(outcome.failure);
    for_good_ = outcome.for_good;
    // Out of the queue before anything is resumed: what is resumed may write again.
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(outcome.records);
    std::vector<Waiting> group(std::move_iterator(waiting_.begin()), std::move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    const std::string failure = failure_;
    std::uint64_t seq = outcome.first_seq;
    for (Waiting& one : group) {
      if (!failure.empty())
        refuse(one, failure);
      else if (one.resume)
        (*one.resume)(nullptr, seq);
      ++seq;
    }
  }

  void take_work(std::exception_ptr error) {
    const auto resume = std::move(works_.front());
    works_.pop_front();
    (*resume)(std::move(error));
  }

  static void refuse(Waiting& one, const std::string& why) {
    if (one.resume)
      (*std::exchange(one.resume, nullptr))(std::make_exception_ptr(unavailable(why)), 0);
  }
  void refuse(Waiting& one) const { refuse(one, stall_text()); }

  bool stalled(Steady::time_point now) const {
    return !waiting_.empty() && now - waiting_.front().since > patience_;
  }

  std::string stall_text() const {
    return "the disk of the audit log did not answer within " + std::to_string(patience_.count()) +
           " ms: look at its load and health; writing goes on by itself when it answers";
  }

  // One coarse timer while anything waits, instead of one a record: arming costs more than writing.
  void start_tick() {
    if (std::exchange(ticking_, true)) return;
    tick();
  }

  void tick() {
    tick_.expires_after(tick_every_);
    tick_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code&) {
      if (alive.expired() || stopped_) return;
      std::vector<Waiting> late;
      const auto now = Steady::now();
      for (Waiting& one : waiting_) {
        if (now - one.since <= patience_) break;
        if (one.resume && !one.patient) late.push_back({one.since, std::move(one.resume)});
      }
      ticking_ = !waiting_.empty() || !works_.empty();
      if (ticking_) tick();
      for (Waiting& one : late) refuse(one);
    });
  }

  Loop& loop_;
  const milliseconds patience_, tick_every_;
  asio::steady_timer tick_;
  bool ticking_ = false;
  bool stopped_ = false;
  std::vector<Record> unsent_;   // the youngest of those that wait
  std::deque<Waiting> waiting_;  // in the order of submission, as the worker reports
  std::deque<std::unique_ptr<ResumeRun>> works_;
  std::uint64_t size_ = 0;
  std::string failure_;
  bool for_good_ = false;
  Steady::time_point reopen_at_{};
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // what is posted outlives the Writer
  Worker worker_;
};

}  // namespace

std::unique_ptr<Writer> Writer::make(Loop& loop, const std::string& folder, bool fsync,
                                     milliseconds patience, Files& files,
                                     std::shared_ptr<Mirror> mirror) {
  return std::make_unique<DiskWriter>(loop, folder, fsync, patience, files, std::move(mirror));
}

}  // namespace holdfast::audit
