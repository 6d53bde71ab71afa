// What lies between processor and TPM: a relay before a swtpm that sees, and may change, each command and
// answer.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/base/posix.h"
#include "tests/support/folder.h"
#include "tests/support/swtpm.h"

namespace holdfast::test {

class Bus {
 public:
  explicit Bus(const Swtpm& tpm);
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  ~Bus();

  std::string tcti() const { return "swtpm:path=" + socket(); }

  // Each is for the commands from now on; called in the bus's own thread. Empty: nothing is changed.
  using Change = std::function<void(std::uint32_t command_code, Bytes& message)>;
  void on_command(Change change);
  void on_answer(Change change);

  // Everything that passed, both ways.
  Bytes seen() const;
  int count(std::uint32_t command_code) const;

 private:
  struct Pair {
    UniqueFd client, tpm;
    bool commands;  // else the control channel, which is passed on as it is
  };
  std::string socket() const { return folder_ / "bus.sock"; }
  void run();
  void accept(const UniqueFd& listener, bool commands);
  bool pass(Pair& pair);
  void record(std::uint32_t code, const Bytes& command, const Bytes& answer);

  std::string upstream_;
  Folder folder_;
  UniqueFd data_, control_, stop_read_, stop_write_;
  std::vector<Pair> pairs_;
  mutable std::mutex mutex_;
  Change on_command_, on_answer_;
  Bytes seen_;
  std::vector<std::uint32_t> codes_;
  std::thread thread_;
};

}  // namespace holdfast::test
