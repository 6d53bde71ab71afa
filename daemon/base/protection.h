// How a process is protected, as it finds itself; what it should find; and what is missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/json.h"

namespace holdfast {

struct Protection {
  bool no_new_privileges = false;
  int seccomp = 0;                 // 2: a filter (proc(5))
  bool dumpable = true;            // core dumps, and attaching by the same user
  bool core_dumps = true;          // RLIMIT_CORE is not 0
  int landlock = 0;                // version in force; 0: none
  std::size_t locked_kib = 0;      // of memory
  std::uint64_t capabilities = 0;  // permitted, effective, inheritable or ambient
};

// What a kind of process has beside what all have.
struct Wanted {
  bool landlock = true;
  bool locked_memory = true;
  std::uint64_t capabilities = 0;  // beside what root keeps that stays root (become_user)
};

// `landlock` is what restrict_files() returned: a process can't ask for it. Throws Error{internal}.
Protection own_protection(int landlock);

// One line each, with what to do about it.
std::vector<std::string> gaps_in(const Protection& protection, const Wanted& wanted);

json::object to_json(const Protection& protection, const std::vector<std::string>& gaps);

// Did to_json() write this? A process that runs somebody else's code sends it.
bool is_protection(const json::value& value);

}  // namespace holdfast
