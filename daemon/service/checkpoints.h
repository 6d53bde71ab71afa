// Signs the log's state with a device's key, again and again while it grows. On the event loop's thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "daemon/audit/checkpoint.h"
#include "daemon/base/clock.h"
#include "daemon/service/log_anchor.h"

namespace holdfast {

struct Service;

class Checkpoints {
 public:
  // Callers go first, but no longer than this: then a checkpoint takes its turn among them.
  static constexpr std::chrono::seconds kAtMost{300};

  // The newest one that the folder holds already.
  void resume(const audit::Checkpoint& newest);
  // The newest one that has an anchor.
  void resume_anchor(const audit::Checkpoint& anchored);

  // Looks once: signs if the log has grown, `checkpoint_every` has passed and the device has nothing else to do, or
  // kAtMost has passed; or in any case where it is the `last` one. Never throws; see gap().
  boost::asio::awaitable<void> look(Service& service, SteadyTime now, bool last);

  std::uint64_t signed_size() const { return signed_size_; }
  std::optional<SystemTime> signed_at() const { return signed_at_; }
  // Why records are not signed though a key is configured, or have not been for longer than they should; else empty.
  std::string gap(SteadyTime now) const;

 private:
  boost::asio::awaitable<void> sign(Service& service);

  std::uint64_t signed_size_ = 0;
  std::optional<SystemTime> signed_at_;
  std::optional<SteadyTime> grown_since_;  // nothing there: all is signed
  SteadyTime tried_{};
  bool busy_ = false;
  std::string failure_;
  LogAnchor anchor_;
};

// The device of the key that signs checkpoints, and of their anchor: a counter counts only as long as that key signs
// beside it. Throws Error{conflict} where the configuration names none that can sign.
device::Client& signing_device(Service& service);

// The digest that checkpoints bind: SHA-256 of the keys' metadata in the order of their names, as
// `cat STATE_DIR/keys/*/key.json | sha256sum` gives it in the C locale.
std::string catalogue_digest(const Service& service);

}  // namespace holdfast
