#include "daemon/service/log_keeper.h"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "daemon/audit/checkpoint.h"
#include "daemon/audit/prune.h"
#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/service/service.h"

namespace holdfast {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

constexpr std::chrono::seconds kLook{1}, kLastCheckpoint{5};
constexpr std::chrono::hours kPruneEvery{1};

}  // namespace

// What the writer says of the log is enough where it can't be read.
void LogKeeper::resume() {
  try {
    if (const auto stored = audit::read_signed(service_.config.state_dir + "/audit"))
      service_.checkpoints.resume(stored->checkpoint);
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
    std::vector<audit::Record> due = service_.denials.due(service_.clock.steady());
    co_await write_counts(std::move(due));
    co_await service_.checkpoints.look(service_, service_.clock.steady(), false);
    if (std::string surprise = service_.checkpoints.take_surprise(); !surprise.empty()) {
      log::warning("log_behind_anchor", {{"why", surprise}});
      co_await record("audit.behind_anchor", "ok", std::move(surprise));
    }
    if (service_.config.audit.keep_details_days == 0 ||
        (pruned != SteadyTime{} && service_.clock.steady() - pruned < kPruneEvery))
      continue;
    pruned = service_.clock.steady();
    co_await prune_details();
  }
}

// One record each; they come again where the log can't take them.
awaitable<void> LogKeeper::write_counts(std::vector<audit::Record> records) {
  for (audit::Record& record : records) {
    record.policy_digest = service_.policy->digest();
    record.time = service_.clock.now();
    audit::Record copy = record;
    try {
      co_await service_.audit->write(std::move(copy), !stopping_);
      continue;
    } catch (const Error& error) {
      log::error("audit_unavailable", {{"why", error.what()}});
    }
    service_.denials.put_back(std::move(record), service_.clock.steady());
  }
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
  audit::Record record;
  record.time = service_.clock.now();
  record.operation = std::move(operation);
  record.allowed = true;
  record.code = std::move(code);
  record.uid = ::geteuid();
  record.policy_digest = service_.policy->digest();
  record.details.caller.pid = ::getpid();
  record.details.caller.uid = ::geteuid();
  record.details.reason = std::move(reason);
  try {
    co_await service_.audit->write(std::move(record));
  } catch (const Error& error) {
    log::error("audit_unavailable", {{"why", error.what()}});
  }
}

awaitable<void> LogKeeper::finish() {
  stopping_ = true;
  std::vector<audit::Record> counts = service_.denials.all();
  co_await write_counts(std::move(counts));
  co_await record("stop", "ok", "");
  if (service_.audit->failure().empty()) co_await sign_last();
}

}  // namespace holdfast
