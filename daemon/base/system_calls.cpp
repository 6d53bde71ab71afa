#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <fcntl.h>

#include <memory>

#include "daemon/base/error.h"
#include "daemon/base/hardening.h"

namespace holdfast {
namespace {

#if defined(HOLDFAST_SANITIZED) || defined(HOLDFAST_COVERAGE)
constexpr bool kInstrumented = true;  // the runtime in it needs more than a list allows
#else
constexpr bool kInstrumented = false;
#endif

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

class Filter {
 public:
  explicit Filter(std::uint32_t otherwise) : filter_(seccomp_init(otherwise)) {
    if (!filter_) throw Error(ErrorKind::internal, "out of memory", "seccomp_init");
  }
  void forbid(std::initializer_list<int> calls) {
    for (const int call : calls) check(seccomp_rule_add(filter_.get(), kRefused, call, 0));
  }
  void forbid(int call, scmp_arg_cmp condition) {
    check(seccomp_rule_add(filter_.get(), kRefused, call, 1, condition));
  }
  // As on a kernel that does not have it.
  void lack(int call) { check(seccomp_rule_add(filter_.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0)); }
  void allow(std::initializer_list<int> calls) {
    for (const int call : calls) check(seccomp_rule_add(filter_.get(), SCMP_ACT_ALLOW, call, 0));
  }
  void allow(int call, scmp_arg_cmp condition) {
    check(seccomp_rule_add(filter_.get(), SCMP_ACT_ALLOW, call, 1, condition));
  }
  void load() {
    const int rc = seccomp_load(filter_.get());
    if (rc != 0) throw Error(ErrorKind::internal, "filter refused", "seccomp_load", rc);
  }
  static constexpr std::uint32_t kRefused = SCMP_ACT_ERRNO(1 /* EPERM */);

 private:
  static void check(int rc) {
    if (rc != 0) throw Error(ErrorKind::internal, "rule refused", "seccomp_rule_add", rc);
  }
  std::unique_ptr<void, Release> filter_;
};

// What none of ours does.
void forbid_for_all(Filter& filter) {
  // Other processes' memory and descriptors; the kernel's tracing.
  filter.forbid({SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
                 SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(process_madvise), SCMP_SYS(bpf),
                 SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd)});
  // Namespaces, mounts, files past their paths.
  filter.forbid({SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
                 SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount),
                 SCMP_SYS(fsconfig), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(setns),
                 SCMP_SYS(unshare), SCMP_SYS(mknod), SCMP_SYS(mknodat),
                 SCMP_SYS(open_by_handle_at)});
  // A new one is as good as unshare. The flags of clone3 lie in memory, where no filter sees them: without it
  // the C library takes clone.
  for (const std::uint64_t kind : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                   CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET})
    filter.forbid(SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, kind, kind));
  filter.lack(SCMP_SYS(clone3));
  // The machine.
  filter.forbid({SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
                 SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
                 SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl),
                 SCMP_SYS(syslog), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
                 SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex), SCMP_SYS(sethostname),
                 SCMP_SYS(setdomainname), SCMP_SYS(personality)});
  // io_uring would make sockets that no filter sees.
  filter.forbid({SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
                 SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key)});
}

// It alone has CAP_SYS_PTRACE, with which it could write to any process through /proc/PID/mem: so nothing
// is opened to be written, and nothing is left that it does not do.
void restrict_caller() {
  Filter filter(Filter::kRefused);
  filter.allow({SCMP_SYS(read),          SCMP_SYS(readv),     SCMP_SYS(write),
                SCMP_SYS(writev),        SCMP_SYS(close),     SCMP_SYS(fstat),
                SCMP_SYS(newfstatat),    SCMP_SYS(statx),     SCMP_SYS(readlink),
                SCMP_SYS(readlinkat),    SCMP_SYS(lseek),     SCMP_SYS(poll),
                SCMP_SYS(ppoll),         SCMP_SYS(recvmsg),   SCMP_SYS(sendmsg),
                SCMP_SYS(brk),           SCMP_SYS(mmap),      SCMP_SYS(munmap),
                SCMP_SYS(mremap),        SCMP_SYS(madvise),   SCMP_SYS(futex),
                SCMP_SYS(clock_gettime), SCMP_SYS(geteuid),   SCMP_SYS(getpid),
                SCMP_SYS(gettid),        SCMP_SYS(getrandom), SCMP_SYS(rt_sigprocmask),
                SCMP_SYS(rt_sigreturn),  SCMP_SYS(tgkill),    SCMP_SYS(restart_syscall),
                SCMP_SYS(exit),          SCMP_SYS(exit_group)});
  filter.allow(SCMP_SYS(openat),
               SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
  filter.allow(SCMP_SYS(open),
               SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
  filter.allow({SCMP_SYS(fstatfs)});
  // To look at itself.
  filter.allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_DUMPABLE));
  filter.allow(SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_NO_NEW_PRIVS));
  filter.allow(SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0));
  filter.load();
}

}  // namespace

void restrict_system_calls(Profile profile) {
  if (profile == Profile::caller && !kInstrumented) return restrict_caller();
  Filter filter(SCMP_ACT_ALLOW);
  forbid_for_all(filter);
  if (profile != Profile::supervisor) filter.forbid({SCMP_SYS(execve), SCMP_SYS(execveat)});
  if (profile == Profile::core || profile == Profile::device || profile == Profile::caller)
    filter.forbid(SCMP_SYS(socket), SCMP_A0(SCMP_CMP_NE, AF_UNIX));
  filter.load();
}

}  // namespace holdfast
