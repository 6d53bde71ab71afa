// The PIN of an HSM's user, as a device process reads it once at its start.
#pragma once

#include <string>

#include "daemon/base/secret.h"

namespace holdfast::device {

inline constexpr std::size_t kMostPinBytes = 256;

// The file's one line, without the line feed at its end: 1 to kMostPinBytes. It has to be a regular file of
// root's or our own that nobody else can read or write. Throws Error{device_unavailable} that says what to do
// and shows nothing of the file.
Secret read_pin(const std::string& path);

// The path of a systemd credential (systemd.exec(5)). Throws Error{device_unavailable} where the process has
// no folder of them.
std::string credential_path(const std::string& name);

}  // namespace holdfast::device
