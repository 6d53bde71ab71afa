// What systemd is told, where it started us (sd_notify(3)); nothing elsewhere.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace holdfast::supervise {

void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading();
void notify_stopping();
void notify_watchdog();

// How often notify_watchdog() is due: half of what systemd waits; nullopt without a watchdog.
std::optional<std::chrono::microseconds> watchdog_interval();

}  // namespace holdfast::supervise
