// What all requests share: the core's state. Owned by core.cpp, used on the event loop's thread
// alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>

#include "daemon/audit/mirror.h"
#include "daemon/audit/writer.h"
#include "daemon/base/clock.h"
#include "daemon/base/json.h"
#include "daemon/base/pin_mark.h"
#include "daemon/config/config.h"
#include "daemon/device/client.h"
#include "daemon/identity/groups.h"
#include "daemon/identity/processes.h"
#include "daemon/key/catalogue.h"
#include "daemon/key/store.h"
#include "daemon/key/verify.h"
#include "daemon/metrics/metrics.h"
#include "daemon/policy/limits.h"
#include "daemon/policy/policy.h"
#include "daemon/service/checkpoints.h"
#include "daemon/service/chunk_sessions.h"
#include "daemon/service/denials.h"
#include "daemon/service/device_record.h"
#include "daemon/service/lost.h"
#include "daemon/service/recent.h"
#include "daemon/service/signing_keys.h"
#include "daemon/service/trusted_clock.h"
#include "daemon/service/verification.h"

namespace holdfast {

struct Service {
  Service(boost::asio::io_context& loop, config::Config config,
          std::shared_ptr<const policy::Policy> policy, std::vector<Key> keys,
          std::optional<SystemTime> last_record);

  // Throws Error{device_unavailable} for a name the configuration no longer has.
  device::Client& device(const std::string& name) const;

  boost::asio::io_context& loop;
  Clock system_clock;
  TrustedClock clock;
  config::Config config;
  std::shared_ptr<const policy::Policy> policy;
  policy::Limiter limiter;
  Catalogue catalogue;
  std::map<std::string, std::unique_ptr<device::Client>> devices;
  DeviceRecord device_record;
  std::map<std::string, PinMark> pin_marks;  // of the HSMs
  // Has a device's process replaced, so that the device is opened and judged anew, by what is on record now.
  std::function<void(const std::string&)> replace_device;
  std::function<void()> replace_caller;  // and of holdfast-caller
  std::unique_ptr<audit::Writer> audit;
  SigningKeys signing_keys;
  ChunkSessions chunk_sessions;
  Verifier verifier;
  Verification verification;
  LostVersions lost;
  RecentRequests recent;
  Checkpoints checkpoints;
  Denials denials;
  std::shared_ptr<audit::Mirror> mirror;  // null where no copies are wanted
  std::unique_ptr<identity::Processes> processes;
  identity::Groups groups;
  int landlock = 0;  // of this process
  // What the other processes found of themselves, by name.
  std::map<std::string, json::object> protections;
  Metrics metrics;
  std::function<std::map<std::string, std::size_t>()> connections;  // that are open, by socket
};

// The grants of all files. Throws Error{invalid_request} that names file and line.
std::shared_ptr<const policy::Policy> load_policy(const std::vector<config::File>& files);

// Reads the configuration's files again and swaps the policy; all or nothing. Throws
// Error{invalid_request} and the running policy stays.
boost::asio::awaitable<void> reload(Service& service);

}  // namespace holdfast
