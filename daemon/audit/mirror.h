// Copies of the records for the journal and syslog. They are the leaves' lines, without details. The log is the
// record: a copy that nobody takes at once is dropped and counted, and keeps no signature waiting.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audit/record.h"
#include "daemon/base/posix.h"

namespace holdfast::audit {

enum class Sink { journald, syslog };

class Mirror {
 public:
  struct Target {
    Sink kind;
    std::string path;  // of a datagram socket
  };
  // Of systemd-journald (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/) and of the local syslog daemon.
  static Target target(Sink kind);

  explicit Mirror(std::vector<Target> targets);

  // For the thread that has the disk. Never blocks, never throws.
  void send(std::uint64_t seq, const Record& record, std::string_view leaf) noexcept;

  std::uint64_t dropped() const { return dropped_; }  // any thread

 private:
  struct Connection {
    Target target;
    UniqueFd fd;
    std::chrono::steady_clock::time_point retry_at{};
  };
  void hand_over(Connection& connection, std::string_view text);
  void connect(Connection& connection);

  std::vector<Connection> connections_;
  std::atomic<std::uint64_t> dropped_{0};
  std::string text_;  // kept for its memory
};

}  // namespace holdfast::audit
