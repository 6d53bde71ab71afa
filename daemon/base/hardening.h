// What each process gives up before it reads a byte that somebody else wrote.
#pragma once

#include <string>

namespace holdfast {

enum class Profile {
  core,    // no exec, no sockets but Unix, no ptrace
  device,  // no exec, no ptrace; inet stays, for a software TPM or an HSM behind TCP
};

// No core dump, no ptrace by the same uid, no new privileges through exec; killed with the parent.
void harden_process();

// Installs the process's seccomp filter. Throws Error{internal}. A forbidden call fails with EPERM.
void restrict_system_calls(Profile profile);

// Becomes `user` with its groups, keeping CAP_SYS_PTRACE where `read_other_processes` (to read
// /proc/PID/exe of other uids; the filter forbids ptrace itself). Nothing if `user` is empty.
// Throws Error{internal}.
void become_user(const std::string& user, bool read_other_processes);

}  // namespace holdfast
