#include "daemon/supervise/notify.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdint>

namespace holdfast::supervise {
namespace {

// A status is one line.
std::string line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return text;
}

}  // namespace

void notify_ready(const std::string& status) {
  ::sd_notify(0, ("READY=1\nSTATUS=" + line(status)).c_str());
}
void notify_status(const std::string& status) {
  ::sd_notify(0, ("STATUS=" + line(status)).c_str());
}
void notify_reloading() {
  // Type=notify-reload demands the time, in microseconds of CLOCK_MONOTONIC.
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t micros = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                               static_cast<std::uint64_t>(now.tv_nsec) / 1000;
  ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros)).c_str());
}
void notify_stopping() {
  ::sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}
void notify_watchdog() {
  ::sd_notify(0, "WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t micros = 0;
  if (::sd_watchdog_enabled(0, &micros) <= 0) return std::nullopt;
  return std::chrono::microseconds(micros / 2);
}

}  // namespace holdfast::supervise
