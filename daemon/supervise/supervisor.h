// Starts core and device processes, joins them by links, brings back what dies, and ends them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/supervise/folder.h"
#include "daemon/supervise/process.h"
#include "daemon/supervise/sockets.h"

namespace holdfast::supervise {

class Supervisor {
 public:
  // `ready_fd` (or -1): "ready\n" is written to it once the core serves.
  Supervisor(config::Config config, RuntimeFolder folder, std::vector<Listener> listeners,
             UniqueFd ready_fd);

  // Until a SIGTERM or SIGINT, which the caller has blocked, as SIGHUP. The exit status: 1 if the core
  // refused to start, as it does for a configuration that it can't use.
  int run();

 private:
  enum class Phase { running, core_stopping, devices_stopping, over };

  std::vector<Process*> all();
  void start(Process& process);
  void link(Process& process);
  void tell_protection(const Process& process);
  void wait();
  int timeout() const;
  void take_signals();
  void reload();
  void stop();
  void stop_devices();
  void hear(Process& process);
  void hear_core(device::ControlMessage message);
  void hear_record(const std::string& device, device::ControlMessage message);
  bool is_device(const Process& process) const {
    return &process != &core_ && &process != &caller_;
  }
  void became_ready(const std::string& status);
  void ended(Process& process, const Ending& ending);
  void keep_time();
  SteadyTime core_deadline() const;

  config::Config config_;
  RuntimeFolder folder_;
  std::vector<Listener> listeners_;
  UniqueFd ready_fd_;
  UniqueFd signals_;
  Process core_;
  Process caller_;
  std::vector<std::unique_ptr<Process>> devices_;

  Phase phase_ = Phase::running;
  int status_ = 0;
  bool was_ready_ = false;
  SteadyTime core_heard_;  // its last word
  bool core_spoke_ = false;
  SteadyTime stop_deadline_;
  bool killed_all_ = false;
  std::optional<std::chrono::microseconds> watchdog_;
  SteadyTime next_watchdog_;
};

}  // namespace holdfast::supervise
