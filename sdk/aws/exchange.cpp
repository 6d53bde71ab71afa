#include "sdk/aws/exchange.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <thread>

#include "sdk/aws/reply.h"
#include "sdk/cli/failure.h"

namespace holdfast::aws {
namespace {

using cli::Exit;
using cli::Failure;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr int kTries = 3;
constexpr auto kFirstPause = 250ms;
constexpr auto kSkew = 4min;  // SigV4 takes 5

// Half of it certain, so that a service that asks for less gets less; half by chance, so that a
// fleet does not come back at once.
milliseconds pause_after(int tries) {
  static std::minstd_rand random{std::random_device{}()};
  const auto whole = kFirstPause * (1 << (2 * (tries - 1)));
  return whole / 2 +
         milliseconds(std::uniform_int_distribution<long>(0, whole.count() / 2)(random));
}

std::string describe(std::chrono::seconds offset) {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(std::chrono::abs(offset));
  return "this machine's clock is " + std::to_string(minutes.count()) + " minutes " +
         (offset > 0s ? "behind" : "ahead of") + " that of AWS";
}

class Run {
 public:
  Run(const Exchange& exchange, const Send& send, SteadyTime deadline, const Clock& clock)
      : exchange_(exchange),
        send_(send),
        share_(std::chrono::duration_cast<milliseconds>(deadline - clock.steady()) / kTries),
        deadline_(deadline),
        clock_(clock) {}

  Credentials credentials() {
    for (int tries = 1;; ++tries) {
      try {
        if (auto got = attempt()) return std::move(*got);
      } catch (const NoReply& none) {
        if (!none.again) throw Failure(Exit::failed, none.message, none.advice);
        if (!may_pause(tries)) throw Failure(Exit::later, none.message, none.advice);
      }
    }
  }

 private:
  // Nothing: to be tried again at once, with the service's time.
  std::optional<Credentials> attempt() {
    const HttpRequest request = make();
    const auto left = std::chrono::duration_cast<milliseconds>(deadline_ - clock_.steady());
    HttpReply reply = send_(request, std::max(1ms, std::min(left, share_)));
    const auto offset =
        std::chrono::round<std::chrono::seconds>(reply.date.value_or(clock_.now()) - clock_.now());
    const bool skewed = std::chrono::abs(offset) > kSkew;
    if (reply.status == 200 || reply.status == 201) return parse(reply.body, skewed ? offset : 0s);
    const Refusal refusal = parse_refusal(reply);
    if (refusal.passing())
      throw NoReply(exchange_.service + " can't serve now: " + refusal.text(), "try again later",
                    true);
    if (skewed && refusal.of_time() && !offset_) {
      offset_ = offset;
      return std::nullopt;
    }
    throw Failure(refusal.status == 401 || refusal.status == 403 ? Exit::refused : Exit::failed,
                  exchange_.service + " refuses: " + refusal.text(),
                  skewed ? describe(offset) + ": set the clock" : exchange_.advice);
  }

  // With the end as this machine's clock will show it: that is what it is compared with.
  Credentials parse(SecretText& body, std::chrono::seconds offset) const {
    Credentials got = exchange_.parse(body, clock_.now() + offset);
    got.expiration -= offset;
    got.obtained -= offset;
    return got;
  }

  HttpRequest make() {
    if (!offset_) return exchange_.make(std::nullopt);
    try {
      return exchange_.make(clock_.now() + *offset_);
    } catch (const Failure& failure) {
      if (failure.exit() != Exit::refused) throw;
      throw Failure(
          Exit::refused,
          describe(*offset_) +
              ", and no grant lets the signature's time differ so much: " + failure.message(),
          "set the clock (timedatectl set-ntp true), or give the grant a longer "
          "limits.max_skew");
    }
  }

  bool may_pause(int tries) {
    if (tries == kTries) return false;
    const auto pause = pause_after(tries);
    if (clock_.steady() + pause >= deadline_) return false;
    std::this_thread::sleep_for(pause);
    return true;
  }

  const Exchange& exchange_;
  const Send& send_;
  milliseconds share_;  // of one try
  SteadyTime deadline_;
  const Clock& clock_;
  std::optional<std::chrono::seconds> offset_;  // AWS's clock less ours
};

}  // namespace

Credentials run(const Exchange& exchange, const Send& send, SteadyTime deadline,
                const Clock& clock) {
  return Run(exchange, send, deadline, clock).credentials();
}

}  // namespace holdfast::aws
