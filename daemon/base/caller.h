// Who is asking, as the kernel tells it. identity fills it, policy judges it, audit records it.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// Empty strings are what could not be learned: no grant that names them matches.
struct Caller {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;   // supplementary, without gid
  std::string user;            // of uid in the user database; empty if it has none
  std::string unit;            // system unit by sd_pid_get_unit's rules
  std::string user_unit;       // unit of the user's own manager; means nothing without a uid
  std::string exe;             // path in the daemon's own view; means nothing without a uid or unit
  std::string exe_sha256;      // of that file, in hex; only where some grant asks for it
  std::string label;           // that root gave it: `holdfast run --label`
  std::string container;       // its id, where root's container runtime started it
  std::string pod;             // and the uid of its Kubernetes pod
  std::string security_label;  // of the security module (SO_PEERSEC)
  // In a pid namespace below the daemon's: only for grants that are meant for such callers.
  bool nested = false;
  // With whom it takes turns: its uid; or, above all uids, its user's slice, its unit or its container.
  std::uint64_t account = 0;

  // The value of an attribute that a template names; empty for what is not known.
  std::string attribute(std::string_view name) const;
};

// The attributes that a template may name. `group` is judged by number, so it is not among them.
inline constexpr std::array<std::string_view, 10> kTemplateAttributes{
    "user", "uid",   "gid",       "unit", "user_unit",
    "exe",  "label", "container", "pod",  "security_label"};

}  // namespace holdfast
