#include "daemon/service/log_keeper.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <ranges>

#include "daemon/audit/checkpoint.h"
#include "daemon/audit/proof.h"
#include "daemon/audit/prune.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/service/recording.h"
#include "daemon/service/service.h"

namespace holdfast {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

constexpr std::chrono::seconds kLook{1}, kLastCheckpoint{5};
constexpr std::chrono::hours kPruneEvery{1};

// What somebody else wrote there could say of the counter what he likes.
bool is_signed_by_us(const Service& service, const audit::SignedCheckpoint& checkpoint) {
  for (const auto& [name, key] : service.catalogue.all())
    if (key->use == KeyUse::audit && key->damage.empty() &&
        std::ranges::any_of(key->versions, [&](const KeyVersion& version) {
          return checkpoint.is_signed_by(version.public_key);
        }))
      return true;
  return false;
}

}  // namespace

// What the writer says of the log is enough where it can't be read.
void LogKeeper::resume() {
  const std::string folder = service_.config.state_dir + "/audit";
  bool is_newest = true;
  try {
    for (const std::uint64_t size : std::views::reverse(audit::list_checkpoints(folder))) {
      const auto stored = audit::read_signed(folder, size);
      // The newest may be of a time without the device's counter.
      if (!stored || (!is_newest && !stored->checkpoint.anchor)) continue;
      if (!is_signed_by_us(service_, *stored) || !audit::has(folder, stored->checkpoint.state))
        continue;
      if (is_newest) service_.checkpoints.resume(stored->checkpoint);
      is_newest = false;
      if (stored->checkpoint.anchor) return service_.checkpoints.resume_anchor(stored->checkpoint);
    }
  } catch (const Error&) {
  }
}

awaitable<void> LogKeeper::run() {
  asio::steady_timer timer(service_.loop);
  SteadyTime pruned{};
  for (;;) {
    timer.expires_after(kLook);
    co_await timer.async_wait(use_awaitable);
    if (stopping_) co_return;
    std::vector<Denials::Count> due = service_.denials.due(service_.clock.steady());
    co_await write_counts(std::move(due));
    co_await service_.checkpoints.look(service_, service_.clock.steady(), false);
    if (service_.config.audit.keep_details_days == 0 ||
        (pruned != SteadyTime{} && service_.clock.steady() - pruned < kPruneEvery))
      continue;
    pruned = service_.clock.steady();
    co_await prune_details();
  }
}

// One record each; from the first on that the log can't take they come again.
awaitable<void> LogKeeper::write_counts(std::vector<Denials::Count> counts) {
  writing_ = true;
  bool good = true;
  for (Denials::Count& count : counts) {
    audit::Record record = Denials::to_record(count);
    record.time = service_.clock.now();
    if (good) try {
        co_await service_.audit->write(std::move(record), !stopping_);
        continue;
      } catch (const std::exception& error) {  // any: the stop waits for the end of this
        log::error("audit_unavailable", {{"why", error.what()}});
        good = false;
      }
    service_.denials.put_back(std::move(count), service_.clock.steady());
  }
  writing_ = false;
}

awaitable<void> LogKeeper::prune_details() {
  const std::string folder = service_.config.state_dir + "/audit";
  audit::Age age;
  age.before_time =
      service_.clock.now() - std::chrono::days(service_.config.audit.keep_details_days);
  std::vector<std::uint64_t> segments;
  std::string failure;
  try {
    co_await service_.audit->run([&] { segments = audit::prunable(folder, age); });
    if (segments.empty()) co_return;
    co_await service_.audit->run([&] { audit::prune(folder, segments); });
  } catch (const Error& error) {
    failure = error.what();
    log::error("details_not_pruned", {{"why", failure}});
  }
  // Named locals, because g++ 12 destroys a temporary of a conditional in a co_await twice.
  std::string code = failure.empty() ? "ok" : "internal";
  std::string reason = failure.empty() ? audit::describe(segments) : failure;
  co_await record("audit.prune", std::move(code), std::move(reason));
}

// A checkpoint over everything, if disk and device give it in time.
awaitable<void> LogKeeper::sign_last() {
  auto done = std::make_shared<bool>(false);
  asio::co_spawn(
      service_.loop,
      [](Service& service, std::shared_ptr<bool> ended) -> awaitable<void> {
        co_await service.checkpoints.look(service, service.clock.steady(), true);
        *ended = true;
      }(service_, done),
      asio::detached);
  asio::steady_timer timer(service_.loop);
  for (const auto end = std::chrono::steady_clock::now() + kLastCheckpoint;
       !*done && std::chrono::steady_clock::now() < end;) {
    timer.expires_after(std::chrono::milliseconds(10));
    co_await timer.async_wait(use_awaitable);
  }
}

awaitable<void> LogKeeper::record(std::string operation, std::string code, std::string reason) {
  audit::Record record =
      own_record(service_, std::move(operation), std::move(code), std::move(reason));
  try {
    co_await service_.audit->write(std::move(record));
  } catch (const Error& error) {
    log::error("audit_unavailable", {{"why", error.what()}});
  }
}

awaitable<void> LogKeeper::finish() {
  stopping_ = true;
  asio::steady_timer timer(service_.loop);
  while (writing_) {
    timer.expires_after(std::chrono::milliseconds(10));
    co_await timer.async_wait(use_awaitable);
  }
  std::vector<Denials::Count> counts = service_.denials.all();
  co_await write_counts(std::move(counts));
  co_await record("stop", "ok", "");
  if (service_.audit->failure().empty()) co_await sign_last();
}

}  // namespace holdfast
