// holdfast-core: sockets, policy, formats, audit. One event loop, one thread at a time. Started by
// holdfastd, with the control socket as descriptor 3.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>

#include "daemon/audit/reader.h"
#include "daemon/base/error.h"
#include "daemon/base/hardening.h"
#include "daemon/base/log.h"
#include "daemon/device/control.h"
#include "daemon/service/admin.h"
#include "daemon/service/application.h"
#include "daemon/service/device_record.h"
#include "daemon/service/files.h"
#include "daemon/service/log_keeper.h"
#include "daemon/service/service.h"
#include "daemon/socket/server.h"

namespace holdfast {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

constexpr std::chrono::seconds kSignOfLife{1};
constexpr std::chrono::milliseconds kAuditPatience{800};  // and a tenth more: within a second
constexpr std::size_t kSockets = 3;                       // application, admin, metrics
// Of administrators, and of what reads the metrics.
constexpr std::size_t kOtherConnections = 256;
constexpr std::size_t kOtherBuffered = 64 * 1024 * 1024;  // a thousand records are up to 14 MiB
// For connections that are only told of a cap, the log, key files, links.
constexpr rlim_t kSpareDescriptors = 256;

struct SocketLimits {
  socket::Limits application, other;
};

// Without a cap below the process's limit of descriptors, callers could take those that the log and the
// admin socket need.
SocketLimits socket_limits(const config::Limits& wanted) {
  SocketLimits limits;
  limits.other.buffered_bytes = kOtherBuffered;
  limits.application.connections = wanted.connections;
  limits.application.connections_per_user = wanted.connections_per_user;
  limits.application.connections_without_grant = wanted.connections_without_grant;
  limits.other.connections = kOtherConnections;
  limits.other.connections_per_user = kOtherConnections / 2;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) throw_errno(ErrorKind::internal, "RLIMIT_NOFILE");
  const rlim_t needed = config::descriptors_for(wanted.connections);
  if (files.rlim_cur < needed) {
    files.rlim_cur = std::min(needed, files.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0) throw_errno(ErrorKind::internal, "RLIMIT_NOFILE");
  }
  if (files.rlim_cur >= needed) return limits;
  log::warning("fewer_connections",
               {{"descriptors", std::to_string(files.rlim_cur)},
                {"cure", "raise RLIMIT_NOFILE (LimitNOFILE=) to " + std::to_string(needed)}});
  // The others have at most an eighth of what is left; of the application socket's each has the same part as of
  // what was wanted.
  const rlim_t left = std::max(files.rlim_cur, kSpareDescriptors) - kSpareDescriptors;
  const std::size_t others = std::clamp<std::size_t>(left / 16, 1, kOtherConnections);
  limits.other.connections = others;
  limits.other.connections_per_user = std::max<std::size_t>(others / 2, 1);
  const std::size_t possible =
      std::clamp<std::size_t>(left > 4 * others ? left / 2 - 2 * others : 0, 1, wanted.connections);
  const auto part = [&](std::size_t of_wanted) {
    return std::max<std::size_t>(of_wanted * possible / wanted.connections, 1);
  };
  limits.application.connections = possible;
  limits.application.connections_per_user = part(wanted.connections_per_user);
  limits.application.connections_without_grant = part(wanted.connections_without_grant);
  return limits;
}

// A log that can't be read lets nothing be signed, so that its last time does not matter.
std::optional<SystemTime> last_record(const config::Config& config) {
  try {
    return audit::last_time(config.state_dir + "/audit");
  } catch (const Error& error) {
    log::warning("last_record_unknown", {{"why", error.what()}});
    return std::nullopt;
  }
}

std::shared_ptr<audit::Mirror> make_mirror(const config::Audit& wanted) {
  if (wanted.sinks.empty()) return nullptr;
  std::vector<audit::Mirror::Target> targets;
  for (const config::AuditSink sink : wanted.sinks)
    targets.push_back(audit::Mirror::target(
        sink == config::AuditSink::journald ? audit::Sink::journald : audit::Sink::syslog));
  return std::make_shared<audit::Mirror>(std::move(targets));
}

class Core {
 public:
  Core(Loop& loop, const config::Config& config, const std::vector<config::File>& files,
       int landlock)
      : loop_(loop.context()),
        control_(loop_, device::kControlFd),
        limits_(socket_limits(config.limits)),
        store_(config.state_dir + "/keys"),
        service_(loop_, config, load_policy(files), store_.load(), last_record(config)) {
    service_.mirror = make_mirror(config.audit);
    service_.audit = audit::Writer::make(loop, config.state_dir + "/audit",
                                         config.audit.durability == config::Durability::fsync,
                                         kAuditPatience, audit::system_files(), service_.mirror);
    keeper_.resume();
    service_.landlock = landlock;
    service_.replace_device = [this](const std::string& name) {
      tell_record(name);
      tell({{"overdue", name}});
    };
    service_.connections = [this] {
      std::map<std::string, std::size_t> open;
      for (const auto& [kind, server] : servers_) open[kind] += server->connections();
      return open;
    };
    service_.replace_caller = [this] { tell({{"caller_overdue", true}}); };
    for (const config::Device& device : config.devices) add_device(device);
    for (const auto& [name, key] : service_.catalogue.all())
      if (!key->damage.empty()) log::error("key_damaged", {{"key", name}, {"why", key->damage}});
  }

  // Until the supervisor says stop or is gone.
  awaitable<void> run() {
    asio::co_spawn(loop_, tell_alive(), asio::detached);
    asio::co_spawn(loop_, keeper_.run(), asio::detached);
    for (;;) {
      co_await control_.async_wait(asio::posix::stream_descriptor::wait_read, use_awaitable);
      auto message = device::receive_control(control_.native_handle());
      if (!message || message->body.contains("stop")) break;
      obey(std::move(*message));
    }
    co_await stop();
  }

 private:
  void add_device(const config::Device& device) {
    auto client = device::Client::make(loop_, device.name, {}, [this, name = device.name] {
      tell({{"overdue", name}});
    });
    client->on_ready([this, &client = *client](const DeviceDescription& description) {
      admit(client, description);
    });
    client->on_answered([&times = service_.metrics.device(device.name)](auto waited, auto worked) {
      times.add(waited, worked);
    });
    service_.devices.emplace(device.name, std::move(client));
    if (device.backend != "pkcs11") return;
    service_.pin_marks.emplace(device.name,
                               PinMark::at(service_.config.state_dir + "/pin-mark." + device.name));
    tell_record(device.name);
  }

  // What an HSM's process has to know before it gives a PIN away.
  void tell_record(const std::string& name) {
    const auto mark = service_.pin_marks.find(name);
    if (mark == service_.pin_marks.end()) return;
    tell({{"record", name}, {"parent", service_.device_record.parent_of(name)}},
         {mark->second.fd()});
  }

  // May this device be used? Not a software one unless allowed, not another than its keys were made
  // on.
  void admit(device::Client& client, const DeviceDescription& description) {
    log::info("device_ready", {{"device", client.name()},
                               {"model", description.model},
                               {"software", description.software ? "true" : "false"}});
    service_.verification.opened(client.name());
    if (description.software && !service_.config.allow_software_devices)
      return client.refuse(
          "is software and protects nothing; set allow_software_devices = true in [daemon] to use "
          "it "
          "for tests");
    DeviceRecord& record = service_.device_record;
    if (!record.matches(client.name(), description.parent_name))
      return client.refuse(
          (description.backend == "pkcs11" ? std::string("the token is another")
                                           : std::string("its storage root key is another")) +
          " than the one on record: it was cleared or replaced; see docs/recovery.md, and "
          "`holdfast device accept " +
          client.name() + "`");
    if (record.knows(client.name())) return;
    record.set(client.name(), description.parent_name);
    tell_record(client.name());
    asio::co_spawn(loop_, service_.audit->run([copy = record] { copy.save(); }),
                   [](const std::exception_ptr& failure) {
                     if (failure) log::error("device_record_not_saved", {});
                   });
  }

  void obey(device::ControlMessage message) {
    const json::object& body = message.body;
    if (const json::value* kind = body.if_contains("listen"))
      listen(std::string(kind->as_string()), std::move(message.descriptors.at(0)));
    else if (const json::value* name = body.if_contains("link"))
      attach(std::string(name->as_string()), std::move(message.descriptors.at(0)));
    else if (body.contains("callers"))
      service_.processes->attach(std::move(message.descriptors.at(0)));
    else if (const json::value* process = body.if_contains("process"))
      service_.protections[std::string(process->as_string())] = body.at("protection").as_object();
    else if (body.contains("reload"))
      asio::co_spawn(loop_, reload_and_tell(), asio::detached);
  }

  // The supervisor has the devices of when it was started, we those of the files as they are now.
  void attach(const std::string& name, UniqueFd link) {
    const auto at = service_.devices.find(name);
    if (at == service_.devices.end())
      return log::warning("device_not_configured",
                          {{"device", name}, {"cure", "restart holdfastd: [[device]] changed"}});
    at->second->attach(std::move(link));
  }

  void listen(const std::string& kind, UniqueFd socket) {
    socket::Server::Accept accept;
    if (kind == "application")
      accept = [this](int fd) { return accept_application(service_, fd); };
    else if (kind == "admin")
      accept = [this](int fd) { return accept_admin(service_, store_, fd); };
    else
      accept = [this](int fd) { return accept_metrics(service_, fd); };
    servers_.emplace_back(
        kind, socket::Server::make(loop_, std::move(socket),
                                   kind == "application" ? limits_.application : limits_.other,
                                   std::move(accept)));
    if (servers_.size() == kSockets) asio::co_spawn(loop_, record_start(), asio::detached);
  }

  awaitable<void> record_start() {
    co_await keeper_.record("start", "ok", "");
    tell({{"ready", true},
          {"status", "serving, " + std::to_string(service_.policy->size()) + " grants, " +
                         std::to_string(service_.catalogue.all().size()) + " keys"}});
  }

  awaitable<void> reload_and_tell() {
    std::string complaint;
    try {
      co_await reload(service_);
    } catch (const Error& error) {
      complaint = error.what();
      log::error("reload_refused", {{"why", complaint}, {"kept", service_.policy->digest()}});
    }
    co_await keeper_.record("reload", complaint.empty() ? "ok" : "invalid_request", complaint);
    tell({{"reloaded", complaint.empty()},
          {"status", complaint.empty() ? "policy " + service_.policy->digest().substr(0, 12)
                                       : "reload refused: " + complaint.substr(0, 512)}});
  }

  awaitable<void> tell_alive() {
    asio::steady_timer timer(loop_);
    for (;;) {
      tell({{"alive", true}});
      watch_clock();
      timer.expires_after(kSignOfLife);
      co_await timer.async_wait(use_awaitable);
    }
  }

  // What goes ahead may be right (the machine got its time late), so it is recorded and not refused.
  void watch_clock() {
    const std::chrono::seconds ahead = service_.clock.observe();
    if (ahead == std::chrono::seconds(0)) return;
    const std::string seconds = std::to_string(ahead.count());
    log::warning("clock_went_ahead", {{"seconds", seconds}});
    asio::co_spawn(loop_,
                   keeper_.record("clock.ahead", "ok", "the clock went ahead by " + seconds + " s"),
                   asio::detached);
  }

  // A supervisor that is gone or does not listen is no reason to fail a request: its end shows as an end
  // of file on the control socket.
  void tell(const json::object& body, std::initializer_list<int> descriptors = {}) {
    try {
      device::send_control(control_.native_handle(), body, descriptors);
    } catch (const Error& error) {
      log::warning("supervisor_not_told", {{"why", error.what()}});
    }
  }

  // Requests under way are answered and recorded, then the log is closed.
  awaitable<void> stop() {
    for (const auto& [kind, server] : servers_) co_await server->stop();
    co_await keeper_.finish();
    for (const auto& [name, device] : service_.devices) device->stop();
    service_.audit->stop();
    tell({{"stopped", true}});
    loop_.stop();
  }

  asio::io_context& loop_;
  asio::posix::stream_descriptor control_;
  const SocketLimits limits_;
  Store store_;
  Service service_;
  LogKeeper keeper_{service_};
  std::vector<std::pair<std::string, std::unique_ptr<socket::Server>>> servers_;
};

void make_state_folder(const config::Config& config) {
  if (::mkdir(config.state_dir.c_str(), 0700) != 0 && errno != EEXIST)
    throw_errno(ErrorKind::internal, "mkdir " + config.state_dir);
}

int run(const std::string& path) {
  ::signal(SIGPIPE, SIG_IGN);
  config::check_ownership(path);
  const std::vector<config::File> files = config::read_files(path);
  config::Config config = config::parse(files);
  log::start("holdfast-core", log::level_from(config.log_level));
  become_user(config.user, {});
  if (!prepare_secret_memory())
    log::warning("memory_not_locked", {{"cure", "raise RLIMIT_MEMLOCK (LimitMEMLOCK=)"}});
  harden_process();
  die_with_parent();
  make_state_folder(config);
  const int landlock = restrict_files(files_of_core(config));
  restrict_system_calls(Profile::core);

  Loop loop;
  Core core(loop, config, files, landlock);
  asio::co_spawn(loop.context(), core.run(), [](const std::exception_ptr& failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log::error("core_failed", {{"why", error.what()}});
    }
    // What is recorded is on disk; frames that still wait must not run their destructors against a core
    // that is being destroyed.
    std::_Exit(1);
  });
  loop.run();
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  CLI::App app("holdfast-core: started by holdfastd, not by hand");
  std::string path;
  app.add_option("--config", path, "the configuration file")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    return holdfast::run(path);
  } catch (const std::exception& error) {
    holdfast::log::error("core_failed", {{"why", error.what()}});
    return 1;
  }
}
