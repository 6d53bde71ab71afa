#include "daemon/service/log_anchor.h"

#include "daemon/base/error.h"
#include "daemon/base/log.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kAccount = UINT64_MAX - 1;  // never a caller's

}  // namespace

void LogAnchor::resume(std::uint64_t records, SystemTime signed_at, std::uint64_t value) {
  records_ = records;
  incremented_ = signed_at;
  resumed_ = value;
}

void LogAnchor::compare(const AnchorState& found) {
  is_compared_ = true;
  if (found.value == resumed_) return;
  const auto text = [](const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : std::string("none");
  };
  surprise_ = "the last checkpoint has the anchor " + text(resumed_) +
              ", and the device's counter is at " + text(found.value) +
              ": the log was rolled back or begun anew, or the machine or the daemon ended without "
              "a last checkpoint";
}

// A clock that went back says nothing about the last increment.
bool LogAnchor::is_due(std::uint64_t records, SystemTime now) const {
  if (!incremented_) return true;
  return records > records_ && (now < *incremented_ || now - *incremented_ >= kEvery);
}

boost::asio::awaitable<AnchorState> LogAnchor::ask(device::Client& device, std::uint64_t records,
                                                   SystemTime now) {
  const bool due = is_due(records, now);
  AnchorState state;
  if (!is_compared_ || !due) state = co_await device.read_anchor(kAccount);
  if (!is_compared_) compare(state);
  if (due) {
    state = co_await device.increment_anchor(kAccount);
    records_ = records;
    incremented_ = now;
  }
  co_return state;
}

boost::asio::awaitable<std::optional<std::uint64_t>> LogAnchor::next(device::Client& device,
                                                                     std::uint64_t records,
                                                                     SystemTime now) {
  AnchorState state;
  std::string failure;
  try {
    if (device.description().anchor) state = co_await ask(device, records, now);
  } catch (const Error& error) {
    failure = error.what();
  }
  if (!failure.empty() && failure != gap_) log::warning("log_not_anchored", {{"why", failure}});
  gap_ = std::move(failure);
  co_return state.value;
}

}  // namespace holdfast
