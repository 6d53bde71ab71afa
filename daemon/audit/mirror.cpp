#include "daemon/audit/mirror.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace holdfast::audit {
namespace {

constexpr std::chrono::seconds kRetry{1};

// A leaf is one line of ASCII, so that the simple form of a field serves.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append("=").append(value).append("\n");
}

std::string_view decision_of(const Record& record) {
  return record.allowed ? "allowed" : "denied";
}

int priority_of(const Record& record) {
  return record.code == "ok" ? LOG_INFO : LOG_NOTICE;
}

void write_journal_entry(std::string& out, std::uint64_t seq, const Record& record,
                         std::string_view leaf) {
  append_field(out, "MESSAGE", leaf);
  append_field(out, "PRIORITY", std::to_string(priority_of(record)));
  append_field(out, "SYSLOG_IDENTIFIER", "holdfast-audit");
  append_field(out, "SYSLOG_FACILITY", std::to_string(LOG_FAC(LOG_AUTHPRIV)));
  append_field(out, "HOLDFAST_SEQ", std::to_string(seq));
  append_field(out, "HOLDFAST_DECISION", decision_of(record));
  append_field(out, "HOLDFAST_CODE", record.code);
  append_field(out, "HOLDFAST_OPERATION", record.operation);
  append_field(out, "HOLDFAST_UID", std::to_string(record.uid));
}

// As syslog(3) writes to the local socket (RFC 3164 §4.1 without the host), the one form that all daemons take there.
void write_syslog_line(std::string& out, const Record& record, std::string_view leaf) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(record.time);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char time[32];
  std::strftime(time, sizeof time, "%b %e %H:%M:%S", &local);
  out.append("<").append(std::to_string(LOG_AUTHPRIV | priority_of(record))).append(">");
  out.append(time).append(" holdfast-audit[").append(std::to_string(::getpid())).append("]: ");
  out.append(leaf);
}

}  // namespace

Mirror::Target Mirror::target(Sink kind) {
  return {kind, kind == Sink::journald ? "/run/systemd/journal/socket" : "/dev/log"};
}

Mirror::Mirror(std::vector<Target> targets) {
  for (Target& target : targets) connections_.push_back({std::move(target), {}, {}});
}

void Mirror::send(std::uint64_t seq, const Record& record, std::string_view leaf) noexcept {
  for (Connection& connection : connections_) {
    text_.clear();
    if (connection.target.kind == Sink::journald)
      write_journal_entry(text_, seq, record, leaf);
    else
      write_syslog_line(text_, record, leaf);
    hand_over(connection, text_);
  }
}

void Mirror::hand_over(Connection& connection, std::string_view text) {
  if (!connection.fd) connect(connection);
  if (connection.fd &&
      ::send(connection.fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
    return;
  // The daemon behind the socket was restarted: the next record connects again.
  if (connection.fd && errno != EAGAIN && errno != ENOBUFS && errno != EMSGSIZE)
    connection.fd.reset();
  ++dropped_;
}

void Mirror::connect(Connection& connection) {
  const auto now = std::chrono::steady_clock::now();
  if (now < connection.retry_at) return;
  connection.retry_at = now + kRetry;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (connection.target.path.size() >= sizeof address.sun_path) return;
  connection.target.path.copy(address.sun_path, connection.target.path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    connection.fd = std::move(fd);
}

}  // namespace holdfast::audit
