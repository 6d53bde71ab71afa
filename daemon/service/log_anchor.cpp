#include "daemon/service/log_anchor.h"

#include "daemon/base/error.h"
#include "daemon/base/log.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kAccount = UINT64_MAX - 1;  // never a caller's

}  // namespace

void LogAnchor::resume(std::uint64_t records, SystemTime signed_at) {
  records_ = records;
  incremented_ = signed_at;
}

// A clock that went back says nothing about the last increment.
bool LogAnchor::is_due(std::uint64_t records, SystemTime now) const {
  if (!incremented_) return true;
  return records > records_ && (now < *incremented_ || now - *incremented_ >= kEvery);
}

boost::asio::awaitable<AnchorState> LogAnchor::ask(device::Client& device, std::uint64_t records,
                                                   SystemTime now) {
  if (!is_due(records, now)) co_return co_await device.read_anchor(kAccount);
  const AnchorState state = co_await device.increment_anchor(kAccount);
  resume(records, now);
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
