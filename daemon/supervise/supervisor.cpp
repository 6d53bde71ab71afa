#include "daemon/supervise/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "daemon/base/error.h"
#include "daemon/base/log.h"
#include "daemon/base/protection.h"
#include "daemon/supervise/notify.h"

namespace holdfast::supervise {
namespace {

using namespace std::chrono_literals;

constexpr auto kCoreSilence = 10s;  // between two signs of life
constexpr auto kCoreStart = 60s;    // until the first: it reads keys and the audit log
constexpr auto kCoreStop = 10s;     // to answer what is under way
constexpr auto kDevicesStop = 2s;   // then killed; then, even if one can't die, we leave
constexpr auto kKilled = 2s;

SteadyTime now() {
  return std::chrono::steady_clock::now();
}

// Never a PIN: /proc/PID/cmdline is for everyone to read.
std::vector<std::string> device_command(const config::Device& device,
                                        const config::Config& config) {
  std::vector<std::string> command{find_program("holdfast-device"),
                                   "--name",
                                   device.name,
                                   "--backend",
                                   device.backend,
                                   "--log-level",
                                   config.log_level};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) command.insert(command.end(), {option, value});
  };
  add("--user", config.device_user);
  if (device.backend == "tpm") {
    add("--tcti", device.tcti);
    add("--sessions", device.sessions);
    if (device.anchor_index) add("--anchor-index", std::to_string(*device.anchor_index));
    return command;
  }
  const config::Hsm& hsm = device.hsm;
  add("--module", hsm.module);
  add("--uri", hsm.uri);
  add("--pin-file", hsm.pin_file);
  add("--pin-credential", hsm.pin_credential);
  add("--parallel", std::to_string(hsm.parallel));
  for (const std::string& folder : hsm.writable) add("--writable", folder);
  if (hsm.network) command.emplace_back("--network");
  return command;
}

std::vector<std::string> caller_command(const config::Config& config) {
  std::vector<std::string> command{find_program("holdfast-caller"), "--log-level",
                                   config.log_level};
  if (!config.user.empty()) command.insert(command.end(), {"--user", config.user});
  return command;
}

bool flag(const json::object& body, std::string_view name) {
  const json::value* value = body.if_contains(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

std::string text(const json::object& body, std::string_view name) {
  const json::value* value = body.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Supervisor::Supervisor(config::Config config, RuntimeFolder folder, std::vector<Listener> listeners,
                       UniqueFd ready_fd)
    : config_(std::move(config)),
      folder_(std::move(folder)),
      listeners_(std::move(listeners)),
      ready_fd_(std::move(ready_fd)),
      core_("core", {find_program("holdfast-core"), "--config", config_.path}, folder_.lock()),
      caller_("caller", caller_command(config_)),
      watchdog_(watchdog_interval()) {
  for (const config::Device& device : config_.devices) {
    devices_.push_back(std::make_unique<Process>(device.name, device_command(device, config_), -1,
                                                 device.hsm.environment));
    // It has to know which token its PIN is for, and whether one was refused.
    if (device.backend == "pkcs11") devices_.back()->hold();
  }
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&watched, signal);
  signals_ = UniqueFd(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) throw_errno(ErrorKind::internal, "signalfd");
}

int Supervisor::run() {
  notify_status("starting");
  for (const auto& device : devices_)
    if (device->next_start() <= now()) start(*device);
  start(caller_);
  start(core_);
  while (phase_ != Phase::over) wait();
  remove_listeners(listeners_);
  return status_;
}

std::vector<Process*> Supervisor::all() {
  std::vector<Process*> processes{&core_, &caller_};
  for (const auto& device : devices_) processes.push_back(device.get());
  return processes;
}

void Supervisor::start(Process& process) {
  process.start();
  if (!process.running()) return;
  if (&process != &core_) return link(process);
  core_heard_ = now();
  core_spoke_ = false;
  for (const Listener& listener : listeners_)
    core_.tell({{"listen", listener.kind}}, {listener.socket.get()});
  // Ours allow all that the others' need: what a process may use and what it may do are its own.
  const Protection own = own_protection(0);
  core_.tell({{"process", "supervisor"},
              {"protection", to_json(own, gaps_in(own, {false, false, ~0ULL}))}});
  for (Process* other : all()) {
    if (other == &core_) continue;
    link(*other);
    tell_protection(*other);
  }
}

void Supervisor::tell_protection(const Process& process) {
  if (process.protection.is_null()) return;
  core_.tell({{"process", (is_device(process) ? "device " : "") + process.name()},
              {"protection", process.protection}});
}

// A new pair for both: a link never outlives one of its ends.
void Supervisor::link(Process& process) {
  if (!core_.running() || !process.running()) return;
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0)
    throw_errno(ErrorKind::internal, "socketpair");
  const UniqueFd ends[2] = {UniqueFd(pair[0]), UniqueFd(pair[1])};
  if (!process.tell({{"link", process.name()}}, {ends[0].get()})) return;
  if (is_device(process))
    core_.tell({{"link", process.name()}}, {ends[1].get()});
  else
    core_.tell({{"callers", true}}, {ends[1].get()});
}

// One turn. What a process said is heard before its end is.
void Supervisor::wait() {
  const std::vector<Process*> processes = all();
  std::vector<pollfd> ready{{signals_.get(), POLLIN, 0}};
  for (const Process* process : processes) {
    ready.push_back({process->control_fd(), POLLIN, 0});
    ready.push_back({process->exit_fd(), POLLIN, 0});
  }
  if (::poll(ready.data(), ready.size(), timeout()) < 0 && errno != EINTR)
    throw_errno(ErrorKind::internal, "poll");
  if (ready[0].revents != 0) take_signals();
  for (std::size_t i = 0; i < processes.size(); ++i) {
    if (ready[1 + 2 * i].revents != 0) hear(*processes[i]);
    if (ready[2 + 2 * i].revents != 0)
      if (const auto ending = processes[i]->reap()) ended(*processes[i], *ending);
  }
  keep_time();
}

int Supervisor::timeout() const {
  SteadyTime next = now() + 60s;
  if (phase_ == Phase::running) {
    next = std::min(next, core_.running() ? core_deadline() : core_.next_start());
    if (!caller_.running()) next = std::min(next, caller_.next_start());
    for (const auto& device : devices_)
      if (!device->running()) next = std::min(next, device->next_start());
    if (watchdog_) next = std::min(next, next_watchdog_);
  } else {
    next = std::min(next, stop_deadline_);
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now());
  return static_cast<int>(std::max(left, 0ms).count());
}

SteadyTime Supervisor::core_deadline() const {
  return core_heard_ + (core_spoke_ ? kCoreSilence : kCoreStart);
}

void Supervisor::keep_time() {
  const auto time = now();
  if (phase_ == Phase::running) {
    if (core_.running() && time >= core_deadline()) {
      log::error("core_silent", {{"done", "killed, to be started again"}});
      core_.kill();
      core_heard_ = time;
    }
    for (Process* process : all())
      if (!process->running() && time >= process->next_start()) start(*process);
    if (watchdog_ && time >= next_watchdog_) {
      next_watchdog_ = time + *watchdog_;
      if (core_spoke_ && time < core_deadline()) notify_watchdog();
    }
  } else if (time >= stop_deadline_) {
    if (phase_ == Phase::core_stopping) return stop_devices();
    if (std::exchange(killed_all_, true)) phase_ = Phase::over;
    for (Process* process : all()) process->kill();
    stop_deadline_ = time + kKilled;
  }
}

// ---- what others say --------------------------------------------------------------------------

void Supervisor::take_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP)
      reload();
    else
      stop();
  }
}

void Supervisor::hear(Process& process) {
  auto message = process.hear();
  if (!message) return;
  if (&process == &core_) return hear_core(std::move(*message));
  if (flag(message->body, "ready")) process.ready = true;
  if (const json::value* protection = message->body.if_contains("protection")) {
    if (!is_protection(*protection)) {
      log::error("process_not_understood", {{"process", process.name()}, {"why", "protection"}});
      return process.kill();
    }
    process.protection = *protection;
    tell_protection(process);
  }
}

void Supervisor::hear_record(const std::string& device, device::ControlMessage message) {
  if (message.descriptors.size() != 1) return;
  std::vector<std::string> arguments{"--pin-mark=" + std::to_string(kBesideFd)};
  // Of one piece, so that it can't be another option.
  if (const std::string parent = text(message.body, "parent"); !parent.empty())
    arguments.push_back("--on-record=" + parent);
  for (const auto& process : devices_)
    if (process->name() == device)
      return process->give(std::move(arguments), std::move(message.descriptors.front()));
}

void Supervisor::hear_core(device::ControlMessage message) {
  core_heard_ = now();
  core_spoke_ = true;
  const json::object& body = message.body;
  if (const std::string device = text(body, "record"); !device.empty())
    return hear_record(device, std::move(message));
  if (flag(body, "ready")) return became_ready(text(body, "status"));
  if (const json::value* reloaded = body.if_contains("reloaded")) {
    const std::string status = text(body, "status");
    log::write(flag(body, "reloaded") ? log::Level::info : log::Level::error, "reloaded",
               {{"done", reloaded->is_bool() && reloaded->get_bool() ? "true" : "false"},
                {"status", status}});
    return notify_ready(status);
  }
  if (flag(body, "caller_overdue")) {
    log::warning("caller_overdue");
    caller_.kill();
  }
  const std::string overdue = text(body, "overdue");
  for (const auto& device : devices_)
    if (device->name() == overdue) {
      log::warning("device_overdue", {{"device", overdue}});
      device->kill();  // started again once it is reaped
    }
}

void Supervisor::became_ready(const std::string& status) {
  core_.ready = true;
  was_ready_ = true;
  log::info("ready", {{"status", status}});
  notify_ready(status);
  if (!ready_fd_) return;
  try {
    write_all(ready_fd_.get(), "ready\n", "--ready-fd");
  } catch (const Error& error) {
    log::warning("ready_not_told", {{"why", error.what()}});
  }
  ready_fd_.reset();
}

void Supervisor::ended(Process& process, const Ending& ending) {
  if (phase_ == Phase::running) {
    if (&process != &core_ || was_ready_ || ending.by_signal || ending.code == 0) return;
    log::error("core_refused_to_start", {{"what_to_do", "correct what it logged above"}});
    status_ = 1;
    return stop();
  }
  if (phase_ == Phase::core_stopping && !core_.running()) stop_devices();
  const auto processes = all();
  if (std::none_of(processes.begin(), processes.end(), [](Process* p) { return p->running(); }))
    phase_ = Phase::over;
}

// ---- reload and stop --------------------------------------------------------------------------

void Supervisor::reload() {
  if (phase_ != Phase::running) return;
  notify_reloading();
  try {
    const config::Config fresh = config::parse(config::read_files(config_.path));
    if (fresh != config_)
      log::warning("restart_needed",
                   {{"why", "[daemon], [audit], [limits] and [[device]] are read at start only"}});
  } catch (const Error&) {
    // The core reads the same files, keeps what runs, and says what is wrong.
  }
  // A core that is being started reads the files anyway, and says ready.
  core_.tell({{"reload", true}});
}

// The second time it is an order.
void Supervisor::stop() {
  if (phase_ != Phase::running) {
    for (Process* process : all()) process->kill();
    return;
  }
  log::info("stopping");
  notify_stopping();
  phase_ = Phase::core_stopping;
  stop_deadline_ = now() + kCoreStop;
  if (!core_.running() || !core_.tell({{"stop", true}})) stop_devices();
}

// After the core, whose last requests need them.
void Supervisor::stop_devices() {
  phase_ = Phase::devices_stopping;
  stop_deadline_ = now() + kDevicesStop;
  core_.kill();
  caller_.tell({{"stop", true}});
  for (const auto& device : devices_) device->tell({{"stop", true}});
  const auto processes = all();
  if (std::none_of(processes.begin(), processes.end(), [](Process* p) { return p->running(); }))
    phase_ = Phase::over;
}

}  // namespace holdfast::supervise
