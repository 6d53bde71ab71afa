#include "daemon/base/hardening.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "daemon/base/error.h"

namespace holdfast {
namespace {

struct SeccompRelease {
  void operator()(void* filter) const { seccomp_release(filter); }
};
struct CapFree {
  void operator()(void* capabilities) const { cap_free(capabilities); }
};

}  // namespace

void harden_process() {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0 ||
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    throw_errno(ErrorKind::internal, "harden_process");
}

void restrict_system_calls(Profile profile) {
  const std::unique_ptr<void, SeccompRelease> filter(seccomp_init(SCMP_ACT_ALLOW));
  if (!filter) throw Error(ErrorKind::internal, "out of memory", "seccomp_init");
  const auto forbid = [&](int call) {
    const int rc = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
    if (rc != 0) throw Error(ErrorKind::internal, "rule refused", "seccomp_rule_add", rc);
  };
  for (const int call : {SCMP_SYS(execve),
                         SCMP_SYS(execveat),
                         SCMP_SYS(ptrace),
                         SCMP_SYS(process_vm_readv),
                         SCMP_SYS(process_vm_writev),
                         SCMP_SYS(pidfd_getfd),
                         SCMP_SYS(mount),
                         SCMP_SYS(umount2),
                         SCMP_SYS(pivot_root),
                         SCMP_SYS(setns),
                         SCMP_SYS(unshare),
                         SCMP_SYS(init_module),
                         SCMP_SYS(finit_module),
                         SCMP_SYS(delete_module),
                         SCMP_SYS(kexec_load),
                         SCMP_SYS(bpf),
                         SCMP_SYS(perf_event_open),
                         SCMP_SYS(userfaultfd),
                         SCMP_SYS(io_uring_setup),  // would make sockets that no filter sees
                         SCMP_SYS(io_uring_enter),
                         SCMP_SYS(io_uring_register),
                         SCMP_SYS(keyctl),
                         SCMP_SYS(add_key),
                         SCMP_SYS(request_key),
                         SCMP_SYS(reboot),
                         SCMP_SYS(swapon),
                         SCMP_SYS(swapoff)})
    forbid(call);
  if (profile == Profile::core) {
    const int rc = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                    SCMP_A0(SCMP_CMP_NE, AF_UNIX));
    if (rc != 0) throw Error(ErrorKind::internal, "rule refused", "seccomp_rule_add", rc);
  }
  const int rc = seccomp_load(filter.get());
  if (rc != 0) throw Error(ErrorKind::internal, "filter refused", "seccomp_load", rc);
}

void become_user(const std::string& user, bool read_other_processes) {
  if (user.empty()) return;
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr)
    throw Error(ErrorKind::internal,
                "no such user: " + user + "; create it, or change [daemon] in the configuration");
  if (entry->pw_uid == ::geteuid()) return;
  if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::initgroups(user.c_str(), entry->pw_gid) != 0 ||
      ::setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
      ::setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
    throw_errno(ErrorKind::internal, "become " + user);
  const std::unique_ptr<void, CapFree> capabilities(cap_init());
  const cap_value_t keep = CAP_SYS_PTRACE;
  const auto set = static_cast<cap_t>(capabilities.get());
  if (read_other_processes && (cap_set_flag(set, CAP_PERMITTED, 1, &keep, CAP_SET) != 0 ||
                               cap_set_flag(set, CAP_EFFECTIVE, 1, &keep, CAP_SET) != 0))
    throw_errno(ErrorKind::internal, "cap_set_flag");
  if (cap_set_proc(set) != 0) throw_errno(ErrorKind::internal, "cap_set_proc");
}

}  // namespace holdfast
