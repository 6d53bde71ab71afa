#include "daemon/base/protection.h"

#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "daemon/base/error.h"
#include "daemon/base/posix.h"

namespace holdfast {
namespace {

constexpr std::size_t kMaxStatus = 64 * 1024;
constexpr std::size_t kMostGaps = 8, kMaxGap = 256;  // a message between processes has 8 KiB

std::uint64_t number(const std::string& status, std::string_view name, int base = 10) {
  const auto at = status.find("\n" + std::string(name) + ":");
  if (at == std::string::npos) return 0;
  const auto start = status.find_first_not_of(" \t", at + name.size() + 2);
  std::uint64_t value = 0;
  if (start != std::string::npos)
    std::from_chars(status.data() + start, status.data() + status.size(), value, base);
  return value;
}

}  // namespace

Protection own_protection(int landlock) {
  const std::string status = read_file("/proc/self/status", kMaxStatus);
  Protection found;
  found.no_new_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  found.seccomp = static_cast<int>(number(status, "Seccomp"));
  found.dumpable = ::prctl(PR_GET_DUMPABLE) != 0;
  rlimit core{};
  if (::getrlimit(RLIMIT_CORE, &core) != 0) throw_errno(ErrorKind::internal, "RLIMIT_CORE");
  found.core_dumps = core.rlim_cur != 0;
  found.landlock = landlock;
  found.locked_kib = number(status, "VmLck");
  for (const std::string_view set : {"CapPrm", "CapEff", "CapInh", "CapAmb"})
    found.capabilities |= number(status, set, 16);
  return found;
}

std::vector<std::string> gaps_in(const Protection& protection, const Wanted& wanted) {
  std::vector<std::string> gaps;
  if (!protection.no_new_privileges) gaps.emplace_back("it could gain privileges (no_new_privs)");
  if (protection.seccomp != 2) gaps.emplace_back("no filter of system calls (seccomp)");
  if (protection.dumpable || protection.core_dumps)
    gaps.emplace_back("a crash could leave its memory on disk");
  if (wanted.landlock && protection.landlock == 0)
    gaps.emplace_back(
        "the kernel has no Landlock (Linux 5.13 or newer, with landlock in lsm=), so permissions "
        "alone confine its files");
  if (wanted.locked_memory && protection.locked_kib == 0)
    gaps.emplace_back("secrets may be swapped; raise LimitMEMLOCK= to 8M or more");
  const std::uint64_t roots = ::geteuid() == 0 ? 1ULL << CAP_DAC_OVERRIDE : 0;
  if (const auto more = protection.capabilities & ~(wanted.capabilities | roots); more != 0)
    gaps.push_back(fmt::format("it has capabilities that it does not need ({:#x})", more));
  return gaps;
}

bool is_protection(const json::value& value) {
  const auto is_text = [](const json::value& text) {
    return text.is_string() && text.get_string().size() <= kMaxGap;
  };
  // What is read again has one kind of integer, what is written two.
  const auto are_counts = [](const json::value& found, const json::value& wanted) {
    return (found.is_int64() || found.is_uint64()) && (wanted.is_int64() || wanted.is_uint64());
  };
  const json::object like = to_json({}, {});
  if (!value.is_object() || value.get_object().size() != like.size()) return false;
  for (const auto& [name, found] : value.get_object()) {
    const json::value* wanted = like.if_contains(name);
    if (wanted == nullptr || (found.kind() != wanted->kind() && !are_counts(found, *wanted)))
      return false;
    if (found.is_string() && !is_text(found)) return false;
    if (found.is_array() &&
        (found.get_array().size() > kMostGaps || !std::ranges::all_of(found.get_array(), is_text)))
      return false;
  }
  return true;
}

json::object to_json(const Protection& protection, const std::vector<std::string>& gaps) {
  return {{"no_new_privileges", protection.no_new_privileges},
          {"seccomp", protection.seccomp},
          {"dumpable", protection.dumpable},
          {"core_dumps", protection.core_dumps},
          {"landlock", protection.landlock},
          {"locked_kib", protection.locked_kib},
          {"capabilities", fmt::format("{:016x}", protection.capabilities)},
          {"gaps", json::array(gaps.begin(), gaps.end())}};
}

}  // namespace holdfast
