// One child of the supervisor: started, watched, killed, reaped and only then started again.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/json.h"
#include "daemon/base/posix.h"
#include "daemon/device/control.h"
#include "daemon/supervise/backoff.h"

namespace holdfast::supervise {

using SteadyTime = std::chrono::steady_clock::time_point;

inline constexpr int kBesideFd = 4;  // the core's: the runtime folder's lock, held while it lives;
                                     // an HSM's process': the file of its PinMark

// Path of a program of ours: beside this one, or in ../libexec/holdfast. Throws Error{not_found}.
std::string find_program(const std::string& name);

struct Ending {
  bool by_signal = false;
  int code = 0;  // exit status, or the signal's number
};

class Process {
 public:
  // `lock` (not owned, or -1) becomes kBesideFd in the child; `variables` (NAME=value) are for it alone.
  Process(std::string name, std::vector<std::string> command, int lock = -1,
          std::vector<std::string> variables = {})
      : name_(std::move(name)),
        command_(std::move(command)),
        lock_(lock),
        variables_(std::move(variables)) {}

  const std::string& name() const { return name_; }
  bool running() const { return pid_ > 0; }
  int exit_fd() const { return pidfd_.get(); }  // readable when it has ended
  int control_fd() const { return control_.get(); }
  SteadyTime started() const { return started_; }

  // Not to be started before it is given what only the core has.
  void hold() { held_ = true; }
  // From its next start on: `arguments` after those of its command, and `beside` as kBesideFd.
  void give(std::vector<std::string> arguments, UniqueFd beside);

  // A failure counts as a death. A clean environment, no descriptor but 0-3 (and kBesideFd), default
  // signals, its own process group: a terminal's ^C is for the supervisor to act on.
  void start();
  // When it may be started again, while it does not run.
  SteadyTime next_start() const { return held_ ? SteadyTime::max() : next_start_; }

  // False where it can't be told: it is then killed, as one that hangs or is dead.
  bool tell(const json::object& body, std::initializer_list<int> descriptors = {});
  // nullopt at the end of file; control is then closed.
  std::optional<device::ControlMessage> hear();

  void kill();
  // Once exit_fd() is readable: reaps, logs how it ended, and sets next_start().
  std::optional<Ending> reap();

  bool ready = false;      // it said so, since its last start
  json::value protection;  // what it found of itself, since its last start

 private:
  void spawn();

  std::string name_;
  std::vector<std::string> command_;
  int lock_;
  std::vector<std::string> variables_;
  bool held_ = false;
  std::vector<std::string> given_;
  UniqueFd beside_;
  pid_t pid_ = 0;
  bool killed_ = false;
  UniqueFd pidfd_;
  UniqueFd control_;
  SteadyTime started_;
  SteadyTime next_start_;
  Backoff backoff_;
};

}  // namespace holdfast::supervise
