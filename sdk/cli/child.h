// A program that this one starts, watches and ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::cli {

struct ChildOptions {
  std::string log;            // standard output and error go there; empty: ours
  bool own_group = false;     // out of the terminal's reach: Ctrl-C is ours to hand on
  bool ends_with_us = false;  // SIGTERM when we die
  int keep_fd = -1;           // stays open in it
  std::vector<std::pair<std::string, std::string>> environment;  // added to ours
  // Done by the child before it becomes the program. Where it throws, that is said, and the status is 1.
  std::function<void()> prepare{};
};

// Not thread-safe: reaps by pid, from the thread that started it (which also is what ends_with_us
// watches).
class Child {
 public:
  // Throws Failure where the program can't be run.
  static Child start(const std::vector<std::string>& command, const ChildOptions& options);

  const std::string& name() const { return name_; }
  pid_t pid() const { return pid_; }
  bool running();
  // Exit status as a shell gives it: 128 + the signal's number for one that was killed.
  int status() const { return status_; }
  void signal(int number);
  // SIGTERM, then SIGKILL for one that is still there after `patience`. Returns when it is reaped.
  void stop(std::chrono::seconds patience);
  // The last lines of its log.
  std::string last_words() const;

 private:
  std::string name_, log_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
};

}  // namespace holdfast::cli
