// From the text of /proc/PID/cgroup to systemd units, by the rules of sd_pid_get_unit(3). Pure: the
// library's own call reads /proc by pid, at a time of its choosing, and so about whom it likes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace holdfast::identity {

struct Units {
  std::string unit;                   // of the system manager: the first unit below the slices
  std::string user_unit;              // below user@UID.service, where the user chooses the names
  std::optional<uid_t> user_manager;  // that UID, where `unit` is a user manager
  // With whom it shares what one caller may have: the slice of one user's logins, else the unit, else
  // (a container without systemd) the cgroup. Empty in the root cgroup.
  std::string group;
};

// Empty where the text has no unit, or is anything but what the kernel writes for a live process of
// our own cgroup namespace. Cgroups below the first unit are its own affair: whoever they were
// delegated to names them, so they never count (unlike a search for "the deepest .service").
Units units_of(std::string_view cgroup_text);

}  // namespace holdfast::identity
