#include "daemon/base/hardening.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

struct CapFree {
  void operator()(void* capabilities) const { cap_free(capabilities); }
};

// False where one of them is not ours to keep.
bool keep_capabilities(const std::vector<cap_value_t>& keep) {
  const std::unique_ptr<void, CapFree> capabilities(cap_init());
  const auto set = static_cast<cap_t>(capabilities.get());
  const auto count = static_cast<int>(keep.size());
  if (count != 0 && (cap_set_flag(set, CAP_PERMITTED, count, keep.data(), CAP_SET) != 0 ||
                     cap_set_flag(set, CAP_EFFECTIVE, count, keep.data(), CAP_SET) != 0))
    throw_errno(ErrorKind::internal, "cap_set_flag");
  if (cap_set_proc(set) == 0) return true;
  if (errno != EPERM) throw_errno(ErrorKind::internal, "cap_set_proc");
  return false;
}

}  // namespace

void harden_process() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0 ||
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    throw_errno(ErrorKind::internal, "harden_process");
}

void die_with_parent() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) throw_errno(ErrorKind::internal, "die_with_parent");
}

void block_signals() {
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) sigdelset(&blocked, fault);
  if (::sigprocmask(SIG_SETMASK, &blocked, nullptr) != 0)
    throw_errno(ErrorKind::internal, "sigprocmask");
}

void become_user(const std::string& user, std::initializer_list<int> keep) {
  const bool root = ::geteuid() == 0;
  const passwd* entry = nullptr;
  if (!user.empty()) {
    errno = 0;
    entry = ::getpwnam(user.c_str());
    if (entry == nullptr)
      throw Error(ErrorKind::internal,
                  "no such user: " + user + "; create it, or change [daemon] in the configuration");
  }
  const bool stays = entry == nullptr || entry->pw_uid == ::geteuid();
  if (!stays &&
      (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::initgroups(user.c_str(), entry->pw_gid) != 0 ||
       ::setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
       ::setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0))
    throw_errno(ErrorKind::internal, "become " + user);
  if (!root) return;
  std::vector<cap_value_t> kept(keep.begin(), keep.end());
  if (stays) kept.push_back(CAP_DAC_OVERRIDE);
  // Root of a container may lack some: then what it lacks is not needed, or will be missed by name.
  while (!keep_capabilities(kept) && !kept.empty()) kept.pop_back();
}

}  // namespace holdfast
