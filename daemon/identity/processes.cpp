#include "daemon/identity/processes.h"

#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <list>
#include <optional>

#include "daemon/base/log.h"

namespace holdfast::identity {
namespace {

namespace asio = boost::asio;
constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds kPatience{1};
// Without a word, while it is asked: then it hangs (on a dead network file system, say) and has to be replaced.
constexpr std::chrono::seconds kHang{5};
// So that neither the socket's buffer nor the kernel's count of descriptors in flight runs full.
constexpr std::size_t kMostAsked = 32;

struct Waiting {
  Waiting(asio::io_context& loop, std::uint64_t id, int pidfd, bool measure)
      : id(id), pidfd(pidfd), measure(measure), answered(loop, kPatience) {}
  std::uint64_t id;
  int pidfd;
  bool measure;
  asio::steady_timer answered;
  std::optional<Process> process;
};

class LinkedProcesses final : public Processes {
 public:
  LinkedProcesses(asio::io_context& loop, std::function<void()> overdue)
      : loop_(loop), overdue_(std::move(overdue)) {}

  void attach(UniqueFd link) override {
    drop();
    link_ = std::make_shared<asio::posix::stream_descriptor>(loop_, link.release());
    last_word_ = Steady::now();
    next_ = waiting_.begin();
    asked_ = 0;
    // First, for asking may find it gone again.
    asio::co_spawn(loop_, receive(link_), asio::detached);
    ask();
  }

  asio::awaitable<std::optional<Process>> of(int pidfd, bool measure) override {
    const auto own = waiting_.emplace(waiting_.end(), loop_, ++last_id_, pidfd, measure);
    if (next_ == waiting_.end()) next_ = own;
    ask();
    co_await own->answered.async_wait(kNoThrow);
    std::optional<Process> process = std::move(own->process);
    forget(own);
    if (!process && link_ && asked_ > 0 && Steady::now() - last_word_ >= kHang) replace();
    co_return process;
  }

  std::string gap() const override {
    return link_ ? gap_ : "holdfast-caller is being started again";
  }

 private:
  using Place = std::list<Waiting>::iterator;

  void ask() {
    for (; link_ && next_ != waiting_.end() && asked_ < kMostAsked; ++next_, ++asked_) {
      if (!send_question(link_->native_handle(), next_->id, next_->pidfd, next_->measure))
        return replace();
      if (asked_ == 0) last_word_ = Steady::now();
    }
  }

  asio::awaitable<void> receive(std::shared_ptr<asio::posix::stream_descriptor> link) {
    for (;;) {
      const auto [failed] =
          co_await link->async_wait(asio::posix::descriptor_base::wait_read, kNoThrow);
      if (failed || link != link_) co_return;
      std::optional<Answer> answer = receive_answer(link->native_handle());
      if (!answer) co_return is_closed(link->native_handle()) ? lose() : replace();
      last_word_ = Steady::now();
      if (answer->id == kGapId) {
        gap_ = std::move(answer->process.exe);
        continue;
      }
      if (asked_ > 0) --asked_;
      settle(std::move(*answer));
      ask();
    }
  }

  // Answers come in the order of the questions; those whose time is over are not waited for any more.
  void settle(Answer answer) {
    for (Waiting& waiting : waiting_) {
      if (waiting.id > answer.id) return;
      if (waiting.id != answer.id) continue;
      waiting.process = std::move(answer.process);
      waiting.answered.cancel();
      return;
    }
  }

  void forget(Place place) {
    if (next_ == place) ++next_;
    waiting_.erase(place);
  }

  // It has died, and the supervisor replaces it.
  void lose() {
    drop();
    log::warning("caller_process_lost",
                 {{"until_it_is_back", "no unit and no executable is known"}});
  }

  // It lives and is of no use.
  void replace() {
    lose();
    overdue_();
  }

  // receive() has the link too, and it is closed for both.
  void drop() {
    if (link_) link_->close();
    link_.reset();
  }

  using Steady = std::chrono::steady_clock;

  asio::io_context& loop_;
  std::function<void()> overdue_;
  Steady::time_point last_word_;  // or since when it is asked
  std::shared_ptr<asio::posix::stream_descriptor> link_;
  std::list<Waiting> waiting_;   // oldest first
  Place next_ = waiting_.end();  // the first that was not asked
  std::size_t asked_ = 0;
  std::uint64_t last_id_ = kGapId;
  std::string gap_;
};

}  // namespace

std::unique_ptr<Processes> Processes::make(asio::io_context& loop, std::function<void()> overdue) {
  return std::make_unique<LinkedProcesses>(loop, std::move(overdue));
}

}  // namespace holdfast::identity
